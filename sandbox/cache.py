"""Where the sandbox keeps what it builds once: the user's cache folder."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/clearml-chatops``, by default under ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearml-chatops"
