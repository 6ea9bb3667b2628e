"""Small random checkpoints of several architectures, and a cache folder of their own."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from tslm.core.hashing import sha256
from tslm.core.types import Tokens
from tslm.models.backbones import build
from tslm.models.backbones.weights import resolve
from tslm.models.backbones.weights.catalog import Card, Part, Wheel


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no way out to any network."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TSLM_CACHE", str(folder))
    monkeypatch.setenv("TSLM_OFFLINE", "1")
    return folder


@pytest.fixture(scope="session")
def small_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of two Llama blocks."""
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write_gguf(path)
    return path


def write_gguf(path: Path) -> None:
    rng, width, inner = np.random.default_rng(0), 32, 64
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(width)
    writer.add_block_count(2)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(257)
    writer.add_tokenizer_model("gpt2")
    alphabet = sorted(build.byte_tokenizer().get_vocab())[:256]
    writer.add_token_list([*alphabet, "ab"])
    writer.add_token_types([1] * 257)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    shapes = {"token_embd": (257, width), "output_norm": (width,), "output": (257, width)}
    for block in range(2):
        for part, shape in {
            "attn_q": (width, width),
            "attn_k": (width, width),
            "attn_v": (width, width),
            "attn_output": (width, width),
            "ffn_gate": (inner, width),
            "ffn_up": (inner, width),
            "ffn_down": (width, inner),
            "attn_norm": (width,),
            "ffn_norm": (width,),
        }.items():
            shapes[f"blk.{block}.{part}"] = shape
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def wheeled(small_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Card, Path]:
    """A named backbone whose GGUF an installed wheel carries, and that file."""
    site = tmp_path / "site-packages"
    carried = site / "tiny_llm" / "small.gguf"
    carried.parent.mkdir(parents=True)
    carried.write_bytes(small_gguf.read_bytes())
    (carried.parent / "__init__.py").write_text("raise RuntimeError('never import a wheel')\n")
    info = site / "tiny_llm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-llm\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(site)
    wheel = Wheel(sha256(small_gguf), (Part("tiny-llm==1.0", "0" * 64, "tiny_llm/small.gguf"),))
    card = Card("small", "a small one", "-", {"blocks": 2}, n_layers=1, wheel=wheel)
    monkeypatch.setattr(resolve, "cards", lambda: {"small": card})
    return card, carried


def random_tokens(n_series: int, n_tokens: int, width: int) -> Tokens:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        embeds = torch.randn(n_series, n_tokens, width)
    return Tokens(embeds, torch.ones(n_series, n_tokens, dtype=torch.bool))
