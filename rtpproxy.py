#!/usr/bin/env python3
"""Runs the proxy from a checkout: `python3 rtpproxy.py -f -s udp:127.0.0.1:22222 -l 127.0.0.1`."""

from rtpp.__main__ import main

if __name__ == "__main__":
    main()
