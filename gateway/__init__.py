"""Portcullis: a gateway between an agent and everything it talks to."""

__version__ = "0.1.0"
