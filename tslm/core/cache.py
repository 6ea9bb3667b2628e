"""The one folder tslm keeps things in between runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tslm.core.errors import ConfigError

_ELSEWHERE = "Set TSLM_CACHE to a folder that you may write to."


def cache_folder() -> Path:
    """Give the folder: ``TSLM_CACHE``, or ``~/.cache/tslm``. Whoever writes to it first makes it.

    Raises:
        ConfigError: if there is no home folder, or the path is no folder.
    """
    try:
        folder = Path(os.environ.get("TSLM_CACHE") or "~/.cache/tslm").expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"This user has no home folder, so there is no place for ~/.cache/tslm. {_ELSEWHERE}"
        ) from error
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"The cache {folder} is no folder. {_ELSEWHERE}")
    return folder


@contextmanager
def writing() -> Iterator[Path]:
    """Give the folder to write to.

    Raises:
        ConfigError: if it cannot be written to, as where the disk is full.
    """
    folder = cache_folder()
    try:
        yield folder
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"The cache {folder} cannot be written: {reason}. {_ELSEWHERE}"
        ) from error
