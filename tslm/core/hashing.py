"""SHA-256 of files and folders, remembered so that a warm load does not read weights twice."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tslm.core.atomic_write import draft_beside


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text."""
    return sha256_bytes([text.encode()])


def sha256_bytes(parts: Iterable[bytes | memoryview]) -> str:
    """Return the SHA-256 of bytes, one part after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def sha256_folder(folder: Path, memo: Path) -> str:
    """Return the SHA-256 over ``config.json`` and the safetensors files, sorted by name."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    return sha256_text("".join(f"{file.name} {remembered(file, memo)}\n" for file in files))


def remembered(path: Path, memo: Path) -> str:
    """Return the SHA-256 of a file; it is computed once while its size and time stay the same.

    Args:
        path: the file.
        memo: folder in which digests are stored.
    """
    note = _note(path, memo)
    if note.is_file():
        return note.read_text()
    digest = sha256(path)
    remember(path, memo, digest)
    return digest


def remember(path: Path, memo: Path, digest: str) -> None:
    """Store the SHA-256 of a file, or nothing if ``memo`` cannot be written."""
    with suppress(OSError), draft_beside(note := _note(path, memo)) as draft:
        draft.write_text(digest)
        draft.replace(note)


def _note(path: Path, memo: Path) -> Path:
    stat = path.stat()
    key = [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
    return memo / f"{sha256_text(json.dumps(key))}.txt"


def concatenate(parts: Iterable[Path], target: Path) -> None:
    """Join files, one after the other."""
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(1 << 22):
                    out.write(block)
