"""Digests: reports that are posted again and again, each slot once, and the alerts that they turn into."""
