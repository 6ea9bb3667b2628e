"""SHA-256 of files and folders, remembered so that a warm load does not read weights twice."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_folder(folder: Path, memo: Path) -> str:
    """SHA-256 over ``config.json`` and the safetensors files of a folder, in sorted order."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    return sha256_text("".join(f"{file.name} {remembered(file, memo)}\n" for file in files))


def remembered(path: Path, memo: Path) -> str:
    """SHA-256 of a file, kept in the folder ``memo`` for as long as size and time stay the same."""
    note = _note(path, memo)
    if note.is_file():
        return note.read_text()
    digest = sha256(path)
    remember(path, memo, digest)
    return digest


def remember(path: Path, memo: Path, digest: str) -> None:
    """Keep the SHA-256 of a file; where ``memo`` cannot be written, it is computed anew next time.

    The note is written beside its place under a name of its own, so that no reader sees a part.
    """
    with suppress(OSError):
        memo.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=memo, prefix=".", delete=False) as draft:
            draft.write(digest)
        Path(draft.name).replace(_note(path, memo))


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
