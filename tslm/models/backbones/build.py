"""Build transformers models: the first blocks of a checkpoint, or random ones from a config."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast
from transformers.activations import NewGELUActivation

from tslm.core.errors import BackboneError, ConfigError
from tslm.core.messages import counted
from tslm.core.seeds import seeded
from tslm.models.backbones.frozen_norm import use_frozen_norms
from tslm.models.backbones.weights.catalog import Random
from tslm.models.backbones.weights.gguf import quiet

Config = Any  # transformers has one class for each architecture, with different fields
Body = Any  # likewise; a transformer without a head
FEW_WORDS = 8  # vocabulary of models that read vectors only; chosen by hand, small to save memory


def read_config(folder: Path) -> Config:
    """Read the configuration of a checkpoint folder.

    Raises:
        BackboneError: if transformers does not have the architecture, or it is no decoder or
            encoder of text.
    """
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # unknown types, broken JSON, code it would have to trust
        raise BackboneError(
            f"transformers cannot read {folder / 'config.json'}: {error} tslm never runs code from "
            "a checkpoint."
        ) from error
    if config.is_encoder_decoder:
        raise BackboneError(
            f"The backbone in {folder} has both an encoder and a decoder. Choose a model that has "
            "only one of them."
        )
    if text_of(config).to_dict().get("vocab_size") is None or _blocks(text_of(config)) is None:
        raise BackboneError(
            f"The backbone in {folder} is a {config.model_type}, which has no transformer blocks "
            "for text. Choose a language model."
        )
    return config


def text_of(config: Config) -> Config:
    """Return the text part of a configuration; all of it, unless the model is multimodal."""
    return config.get_text_config()


def _blocks(config: Config) -> int | None:
    """Return the number of blocks of a configuration; None if it has no such field."""
    try:
        return int(config.num_hidden_layers)
    except (AttributeError, TypeError):
        return None


def make_config(plain: Mapping[str, Any]) -> Config:
    """Make the configuration from the fields of a catalogue entry."""
    options = dict(plain)
    return AutoConfig.for_model(options.pop("model_type"), **options)


def truncate(config: Config, n_layers: int | None, name: str) -> int:
    """Cut a text configuration to its first blocks, in place; None keeps all.

    Returns:
        The number of blocks that are kept.

    Raises:
        ConfigError: if it is below 1 or above the number of blocks.
    """
    blocks = int(config.num_hidden_layers)
    kept = blocks if n_layers is None else n_layers
    if not 1 <= kept <= blocks:
        raise ConfigError(
            f"n_layers is {kept}, but {name!r} has {blocks} blocks. "
            f"Set it between 1 and {blocks}, or to 'all'."
        )
    if kept == blocks:
        return kept
    config.num_hidden_layers = kept
    for key, value in config.to_dict().items():  # lists with one entry per block: layer_types
        if isinstance(value, list) and len(value) == blocks and isinstance(value[0], str):
            setattr(config, key, value[:kept])
    return kept


def load_body(folder: Path, config: Config, name: str) -> Body:
    """Load the text blocks of a configuration in fp32, without a head.

    Raises:
        BackboneError: if weights are missing or damaged; they are never initialised at random.
    """
    with quiet():
        try:
            body, report = AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except Exception as error:  # safetensors, transformers and torch raise different kinds
            raise BackboneError(
                f"The weights of {name!r} in {folder} cannot be loaded: {error}"
            ) from error
    text = body if text_of(config) is config else body.get_decoder()
    kept = {id(weight) for weight in text.parameters()}
    names = {key for key, weight in body.named_parameters() if id(weight) in kept}
    missing = sorted(
        key for key in report["missing_keys"] if key in names and not key.startswith("pooler.")
    )
    if missing:
        raise BackboneError(
            f"The checkpoint of {name!r} in {folder} lacks {counted(len(missing), 'tensor')} of "
            f"its text blocks, such as {missing[0]}. It may be damaged: download it again."
        )
    return _fused(text)


def random_body(random: Random, config: Config) -> Body:
    """Make the first blocks of a random transformer; the global random state is unchanged."""
    with seeded(random.seed):
        whole = AutoModel.from_config(make_config(random.config), dtype=torch.float32)
    body = AutoModel.from_config(config, dtype=torch.float32)
    body.load_state_dict(whole.state_dict(), strict=False)
    return _fused(body)


def _fused(body: Body) -> Body:
    """Replace GPT-2's activation of eight operations by one, and the norm of Llama by a faster one.

    Both store fewer tensors.
    """
    use_frozen_norms(body)
    for module in list(body.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, nn.GELU("tanh"))
    return body


def empty_body(config: Config, dtype: torch.dtype) -> Body:
    """Make a transformer of a text configuration; its weights have no meaning."""
    return _fused(AutoModel.from_config(config, dtype=dtype))


def fresh_body(config: Config, seed: int) -> Body:
    """Make a transformer with its usual random initialisation and a very small vocabulary.

    Args:
        config: configuration of the model.
        seed: seed of the initialisation.
    """
    config = deepcopy(config)
    config.vocab_size, config.pad_token_id = FEW_WORDS, None
    with seeded(seed):
        return AutoModel.from_config(config, dtype=torch.float32)


def position_limit(body: Body) -> int | None:
    """Return the number of learnt positions; None if positions are computed, without a limit."""
    longest = _longest(body)
    if longest is None:
        return None
    limits = [
        min(
            longest,
            table.num_embeddings - (-1 if table.padding_idx is None else table.padding_idx) - 1,
        )
        for table in position_tables(body)
    ]
    return min(limits, default=None)


def position_tables(body: Body) -> list[nn.Embedding]:
    """Find tables of learnt positions: embeddings other than words, one row per position."""
    words, longest = body.get_input_embeddings(), _longest(body)
    tables = [m for m in body.modules() if isinstance(m, nn.Embedding) and m is not words]
    return [table for table in tables if longest and table.num_embeddings >= longest]


def _longest(body: Body) -> int | None:
    """Return the largest number of positions in the configuration."""
    plain = body.config.to_dict()
    return plain.get("max_position_embeddings") or plain.get("n_positions")


def blocks_of(body: Body) -> nn.ModuleList:
    """Find the list of transformer blocks."""
    lists = (module for module in body.modules() if isinstance(module, nn.ModuleList))
    return next(blocks for blocks in lists if len(blocks) == body.config.num_hidden_layers)


def load_tokenizer(folder: Path) -> Any | None:
    """Load the tokenizer of a checkpoint folder; None if it has none."""
    if not any(folder.glob("*token*")) and not (folder / "vocab.json").is_file():
        return None
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a damaged file, or a missing package
        raise BackboneError(f"The tokenizer in {folder} cannot be read: {error}") from error


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer whose vocabulary is the 256 bytes and three special tokens."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytewise = Tokenizer(BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bytewise, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    )
