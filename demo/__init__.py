"""A call through the proxy, from start to recording: `make demo`, or `python3 -m demo`."""
