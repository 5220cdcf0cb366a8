"""How fast the proxy is, against other relays in the same run. See bench/README."""
