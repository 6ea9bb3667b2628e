"""Arrays recorded from the published programs, and how they are compared."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel

from tslm.models.backbones.base import Identity
from tslm.models.backbones.freezing import Freeze
from tslm.models.backbones.huggingface import HuggingFaceBackbone

PARITY = Path(__file__).parents[2] / "parity"


class Printable:
    """A tokenizer with a token for every printable character; the one after them ends a text."""

    eos_token_id = pad_token_id = 95

    def __call__(self, text: str | Sequence[str], **_: bool) -> dict[str, Any]:
        return {"input_ids": codes(text) if isinstance(text, str) else [*map(codes, text)]}

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(i + 32) for i in ids)


def codes(sentence: str) -> list[int]:
    return [ord(letter) - 32 for letter in sentence]


class Case:
    """The arrays and settings of one recorded run."""

    def __init__(self, name: str) -> None:
        with np.load(PARITY / f"{name}.npz", allow_pickle=False) as stored:
            self.config = json.loads(str(stored["config"]))
            self.arrays = {key: stored[key] for key in stored.files if key != "config"}

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Arrays in a folder, by the rest of their names."""
        inside = (name for name in self.arrays if name.startswith(prefix))
        return {name.removeprefix(prefix): self.tensor(name) for name in inside}

    def body(self, blocks: int | None = None, freeze: Freeze | None = None) -> HuggingFaceBackbone:
        options = dict(self.config["llm_config"])
        config = AutoConfig.for_model(options.pop("model_type"), **options)
        if blocks is not None:
            config.num_hidden_layers = blocks
        body = AutoModel.from_config(config, attn_implementation="sdpa")
        body.load_state_dict(self.below("backbone/"), strict=True)
        identity = Identity("case", "", "", "", config.num_hidden_layers)
        return HuggingFaceBackbone(body, identity, Printable, freeze=freeze)


def same(actual: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """|a - b| <= 1e-5 max(1, |b|)."""
    assert actual.shape == expected.shape
    error = (actual.detach() - expected).abs() / expected.abs().clamp(min=1)
    assert float(error.max()) <= tolerance
