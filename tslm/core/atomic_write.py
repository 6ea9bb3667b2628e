"""Drafts: files and folders are made beside their place, and appear there whole or not at all."""

import glob
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from tslm.core.errors import ConfigError

LOCK, OLD = "lock", "old"  # in the hidden folder of a draft
NEW = 60.0  # seconds in which a hidden folder may still get its lock


def place(path: str | Path) -> Path:
    """Resolve a path: ``~`` is the home folder, and a link is followed and stays a link."""
    found = Path(path).expanduser()
    return found.resolve() if found.is_symlink() else found


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give the place of a draft, in a hidden folder beside the file or folder it will become.

    The hidden folder is locked while it is in use. Those that killed processes left are swept.

    Raises:
        ConfigError: if it cannot be written, as where the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        hidden = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            with FileLock(hidden / LOCK):
                yield hidden / path.name
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{path} cannot be written: {error}. What was there is as it was. Make "
            "room, or give another path."
        ) from error


def swap(draft: Path, path: Path) -> None:
    """Put a finished draft of ``beside`` where an old folder is; ``sweep`` mends half of it."""
    if not path.exists():
        draft.replace(path)
        return
    old = draft.parent / OLD
    path.replace(old)
    try:
        draft.replace(path)
    except BaseException:
        old.replace(path)
        raise


def sweep(path: Path, patience: float = 0) -> None:
    """Remove what killed processes left beside a place, and put back what they had moved away.

    Args:
        path: the place.
        patience: seconds to wait for a process that is still writing.
    """
    drafts = re.compile(rf"\.{re.escape(path.name)}-\w{{8}}")
    for hidden in path.parent.glob(f".{glob.escape(path.name)}-*"):
        if not drafts.fullmatch(hidden.name):
            continue
        if not (hidden / LOCK).is_file() and time.time() - hidden.stat().st_mtime < NEW:
            continue  # another process has just made it
        try:
            with FileLock(hidden / LOCK, timeout=patience):
                if (hidden / OLD).exists() and not path.exists():
                    (hidden / OLD).replace(path)
        except (Timeout, OSError):  # in use, or not ours to change
            continue
        shutil.rmtree(hidden, ignore_errors=True)
