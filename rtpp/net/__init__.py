"""Addresses and ports: what the proxy knows about sockets before any session exists."""
