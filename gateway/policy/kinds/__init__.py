"""One file a kind of rule."""
