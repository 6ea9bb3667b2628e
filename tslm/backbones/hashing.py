"""SHA-256 of files and folders, remembered so that a warm load does not read weights twice."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path


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
    stat = path.stat()
    key = [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
    note = memo / f"{sha256_text(json.dumps(key))}.txt"
    if note.is_file():
        return note.read_text()
    digest = sha256(path)
    write_atomically(note, digest)
    return digest


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that no reader sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def concatenate(parts: Iterable[Path], target: Path) -> None:
    """Join files, one after the other."""
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(1 << 22):
                    out.write(block)
