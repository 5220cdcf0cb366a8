"""The control protocol: from bytes on a control socket to a command on the session table."""
