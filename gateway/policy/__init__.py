"""Stations 4 and 6: what may pass."""
