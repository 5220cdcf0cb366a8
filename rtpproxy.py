#!/usr/bin/env python3
"""Runs the proxy from a checkout: `python3 rtpproxy.py -f -s udp:127.0.0.1:22222 -l 127.0.0.1`.

`python3 rtpproxy.py makeann ...` and so on run the other programs.
"""

from rtpp.programs import main

if __name__ == "__main__":
    main()
