"""Counters, reservations and small values."""
