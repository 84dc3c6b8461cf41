"""Station 1: accept a request and answer it."""
