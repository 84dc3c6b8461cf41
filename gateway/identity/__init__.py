"""Station 2: who is calling."""
