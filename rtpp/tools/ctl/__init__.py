"""The parts of rtppctl."""
