"""Modules that see calls: what --dso and the M sub-command reach."""
