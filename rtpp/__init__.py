"""RTP proxy for SIP servers: relays, records, copies and plays call media."""

__version__ = "1.0.0"
