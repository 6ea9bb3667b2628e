"""SHA-256 of files and folders, remembered so that a warm load does not read weights twice."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


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
    """Store the SHA-256 of a file; if ``memo`` cannot be written, it is computed again next time.

    The digest is written to a new file that is then renamed, so a reader never sees half of it.
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
