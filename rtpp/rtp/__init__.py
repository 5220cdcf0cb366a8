"""RTP as bytes and times: no sockets, no threads, no clock."""
