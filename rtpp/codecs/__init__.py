"""Audio codecs and containers: samples and frames, no sockets, no clock."""
