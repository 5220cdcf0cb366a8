BYTES = b"<!doctype html><title>x</title>"
POLICY = "default-src 'none'"
