"""Companion programs."""
