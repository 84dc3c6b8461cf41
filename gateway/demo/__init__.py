"""`portcullis demo`: every kind of rule at work, without a key or a network."""
