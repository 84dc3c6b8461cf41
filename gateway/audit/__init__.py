"""Station 7: what happened, provably."""
