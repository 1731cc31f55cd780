"""Backups: made whole, proven by reading, restoring and comparing."""
