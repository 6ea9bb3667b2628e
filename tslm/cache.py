"""The one folder tslm keeps things in between runs."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``TSLM_CACHE``, or ``~/.cache/tslm``; made by whoever writes to it first."""
    return Path(os.environ.get("TSLM_CACHE") or Path.home() / ".cache" / "tslm")
