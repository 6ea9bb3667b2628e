"""Atomic writes: files and folders are made beside their place, then moved there whole."""

import glob
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout
from safetensors import SafetensorError

from tslm.core.errors import ConfigError

LOCK, OLD = "lock", "old"  # in the hidden folder of a draft
PROBE = ".tslm-"  # begin of the names of folders that are made to see if that is possible
NEW = 60.0  # seconds in which a hidden folder may still get its lock


def place(path: str | Path) -> Path:
    """Resolve a path: ``~`` is the home folder, and a link is followed and stays a link.

    Raises:
        ConfigError: if it is no path, such as None.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"{path!r} is not a path. Give the path of a file or folder as text.")
    found = Path(path).expanduser()
    return found.resolve() if found.is_symlink() else found


@contextmanager
def draft_beside(path: Path) -> Iterator[Path]:
    """Make a hidden folder beside a file or folder, and yield the path of its draft there.

    The hidden folder is locked while it is in use, and removed at the end. Those that killed
    processes left are removed first.

    Raises:
        OSError: if the hidden folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    lock = _new_locked_folder(path)
    hidden = Path(lock.lock_file).parent
    try:
        yield hidden / path.name
    finally:
        lock.release()
        shutil.rmtree(hidden, ignore_errors=True)


def _new_locked_folder(path: Path) -> BaseFileLock:
    """Make a hidden folder beside a path and lock it; return its lock.

    Another process may sweep the folder after its lock file is made and before it is locked. Then
    another folder is made.
    """
    while True:
        hidden = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        lock = FileLock(hidden / LOCK)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        if (hidden / LOCK).exists():
            return lock
        lock.release()


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield the path of a draft as ``draft_beside`` does, for a path that the user has named.

    Raises:
        ConfigError: if it cannot be written, for example because the disk is full.
    """
    try:
        with draft_beside(path) as draft:
            yield draft
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{path} cannot be written: {error}. What was there is as it was. Make "
            "room, or give another path."
        ) from error


def swap(draft: Path, path: Path) -> None:
    """Replace an old folder by a finished draft; ``sweep`` repairs what a killed process left."""
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
    """Remove the drafts of killed processes beside a path, and put back what they moved away.

    Args:
        path: the path of the finished file or folder.
        patience: seconds to wait for a process that is still writing.
    """
    drafts = re.compile(rf"\.{re.escape(path.name)}-\w{{8}}")
    for hidden in path.parent.glob(f".{glob.escape(path.name)}-*"):
        if not drafts.fullmatch(hidden.name):
            continue
        try:
            if not (hidden / LOCK).is_file() and _is_new(hidden):
                continue  # another process has just made it
            with FileLock(hidden / LOCK, timeout=patience):
                if (hidden / OLD).exists() and not path.exists():
                    (hidden / OLD).replace(path)
                shutil.rmtree(hidden, ignore_errors=True)
        except (Timeout, OSError):  # in use, or not ours to change
            continue
        shutil.rmtree(hidden, ignore_errors=True)  # on Windows an open lock file stays


def check_room(folder: Path) -> None:
    """Make a hidden folder in a folder and remove it; remove those that killed processes left.

    Raises:
        OSError: if the folder cannot be written.
    """
    for left in folder.glob(f"{PROBE}*"):
        with suppress(OSError):  # it has files, or is not ours to change
            if not _is_new(left):
                left.rmdir()
    Path(tempfile.mkdtemp(dir=folder, prefix=PROBE)).rmdir()


def _is_new(path: Path) -> bool:
    """Return True if a path was changed within ``NEW`` seconds.

    A time in the future is old: the clock has been set back since.
    """
    return abs(time.time() - path.stat().st_mtime) < NEW
