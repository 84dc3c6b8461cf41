"""Station 5: the other side."""
