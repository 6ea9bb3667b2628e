"""Defaults of a model are merged from yaml files as Hydra would compose them."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tslm import ConfigError
from tslm.core.config.choices import GROUPS, choices
from tslm.core.config.estimator_settings import configure
from tslm.core.config.hydra_loader import composed
from tslm.core.config.model_defaults import model_defaults
from tslm.core.paths import further_folders

SINGLE = [{group: name} for group in GROUPS for name in choices(group)]
PAIRS = [
    {"adapter": adapter, group: name}
    for adapter in choices("adapter")
    for group in ("decoder", "base")
    for name in choices(group)[:2]
]


def same(chosen: dict[str, str]) -> bool:
    words = tuple(f"{group}={name}" for group, name in chosen.items())
    ours, hydras = model_defaults(chosen), composed("config", words, further_folders())
    return OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(hydras)


@pytest.mark.parametrize("chosen", [{}, *SINGLE, *PAIRS], ids=str)
def test_they_are_hydras(chosen: dict[str, str]) -> None:
    assert same(chosen)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own files."""
    for group in ("adapter", "decoder"):
        (tmp_path / group).mkdir()
    monkeypatch.setenv("TSLM_CONF", str(tmp_path))
    return tmp_path


def write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["# @package _global_", *lines, ""]))


def test_a_file_may_inherit_and_override(own: Path) -> None:
    write(own / "decoder/wide.yaml", "defaults: [segment]", "decoder:", "  hidden: 7")
    write(own / "adapter/deep.yaml", "defaults: [time_llm, _self_]", "adapter:", "  heads: 4")
    write(
        own / "adapter/deeper.yaml",
        "defaults:",
        "  - /adapter/deep",
        "  - override /decoder: wide",
        "  - override /base: ridge",
        "h: 5",
    )
    for name in ("deep", "deeper"):
        assert same({"adapter": name})
        assert same({"adapter": name, "decoder": "segment"})
    cfg = configure({"adapter": "deeper", "base": "none"}, {})
    assert (cfg.h, cfg.adapter.heads, cfg.decoder.hidden, cfg.base) == (5, 4, 7, None)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["defaults: [{override /decoder: none_such}]"], "decoder=none_such is unknown"),
        (["defaults: [{/decoder: flatten}]"], "/decoder in its defaults list is not supported"),
        (["defaults: [/decoder/flatten]"], "is not supported. Write _self_, the name of"),
        (["adapter: ["], "mine.yaml: while parsing"),
    ],
)
def test_a_file_that_cannot_be_merged_is_named(own: Path, lines: list[str], message: str) -> None:
    write(own / "adapter/mine.yaml", *lines)
    with pytest.raises(ConfigError, match=message):
        configure({"adapter": "mine"}, {})


def test_a_caller_may_change_what_it_gets() -> None:
    model_defaults({}).adapter.dropout = 0.9
    assert model_defaults({}).adapter.dropout != 0.9
