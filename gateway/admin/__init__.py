"""The operator's listeners: probes and admin."""
