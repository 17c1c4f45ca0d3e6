"""Preflight: looks at what the bot needs, one module for each kind of thing that is looked at."""
