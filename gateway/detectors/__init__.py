"""The machinery behind the content kinds."""
