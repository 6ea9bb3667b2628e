"""Prompts of windows: sentences, lengths, padding, and the controls of language."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.adapters.recorded import Printable, codes
from tslm.core.errors import ConfigError
from tslm.core.types import Prompt, Task
from tslm.models.adapters.prompts import ELSEWHERE, KINDS, Prompts
from tslm.models.adapters.text_statistics import summary
from tslm.models.backbones.loading import load

L = 48
ABOUT = "Hourly load of a small town."


def prompts(kind: str = "as_is", style: str = "fixed", about: str = ABOUT) -> Prompts:
    return Prompts(load("tiny").lexicon, Task(L, 12, description=about), kind, style)


def windows(rows: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    values = torch.randn(rows, L, generator=torch.Generator().manual_seed(seed))
    return values, torch.ones_like(values, dtype=torch.bool)


def text(prompt: Prompt, row: int = 0) -> str:
    tokenizer = load("tiny").lexicon.tokenizer
    own = prompt.own[row][prompt.mask[row]].tolist()
    return str(tokenizer.decode([*prompt.shared.tolist(), *own]))


def made(found: Prompt | None) -> Prompt:
    assert found is not None
    return found


def test_a_prompt_has_dataset_task_and_statistics() -> None:
    t = torch.arange(float(L))
    values = torch.sin(2 * torch.pi * t / 12)[None] + 0.001 * t
    prompt = made(prompts()(values, torch.ones_like(values, dtype=torch.bool)))
    assert text(prompt) == (
        "Hourly load of a small town. Forecast the next 12 steps given the previous 48. Of those: "
        "min -0.991 max +1.039 median +0.018 trend fall lags 12 24 00 00 00"
    )


def test_all_prompts_are_equally_long() -> None:
    values, known = windows(50)
    values[:10] *= 1e4  # written as 9.999
    values[10:20] = 0
    prompt = made(prompts()(values, known))
    assert prompt.mask.all()
    assert "+9.999" in text(prompt)
    assert "trend flat lags 00 00 00 00 00" in text(prompt, 15)


@pytest.mark.parametrize("style", ["fixed", "published"])
def test_text_of_each_series_follows_text_of_all(style: str) -> None:
    writer, (values, known) = prompts(style=style), windows(2)
    plain = [text(made(writer(values, known)), row) for row in range(2)]
    prompt = made(writer(values, known, ["Bonn: sales.", "A place far away: sales"]))
    again = made(writer(values, known, ["Ulm", "Trier"]))
    assert prompt.shared.tolist() == again.shared.tolist()
    head, tail = {
        "fixed": (
            "Forecast the next 12 steps given the previous 48 of this series: ",
            ". Of those:",
        ),
        "published": ("<|start_prompt|>Dataset description: ", "Task description: forecast the"),
    }[style]
    about = ["Bonn: sales" + "." * (style == "published"), "A place far away: sales"]
    for row in range(2):
        assert text(prompt, row).startswith(f"{head}{about[row]}{tail}")
        facts = plain[row].partition(tail)[2].partition("<|<end_prompt>|>")[0]
        assert facts in text(prompt, row)


def test_the_control_of_other_text_is_the_same_for_all_series() -> None:
    writer, (values, known) = prompts("other"), windows(2)
    plain, described = (
        made(writer(values, known)),
        made(writer(values, known, ["Bonn", "Ulm"])),
    )
    assert torch.equal(plain.own, described.own)
    assert torch.equal(plain.shared, described.shared)


def test_without_a_description_the_prompt_names_a_series() -> None:
    assert text(made(prompts(about="")(*windows()))).startswith("A time series. Forecast the next")


def test_the_description_of_a_window_does_not_depend_on_others() -> None:
    values, known = windows(5)
    together = made(prompts()(values, known))
    for row in range(5):
        alone = made(prompts()(values[row : row + 1], known[row : row + 1]))
        assert torch.equal(alone.own[0], together.own[row])
        assert torch.equal(alone.shared, together.shared)


def test_longer_numbers_than_others_are_padded_on_the_left() -> None:
    class Ragged(Printable):
        """Leaves minus signs out, so that prompts are of several lengths."""

        def __call__(self, text: Any, **options: bool) -> dict[str, Any]:
            whole = super().__call__(text, **options)["input_ids"]
            return {"input_ids": [[i for i in ids if i != codes("-")[0]] for ids in whole]}

    writer = prompts()
    writer.lexicon = type("Words", (), {})()
    writer.lexicon.tokenizer = Ragged()
    writer.lexicon.tokenize = lambda sentences: [codes(one) for one in sentences]
    values, known = windows(20)
    prompt = made(writer(values.abs() * torch.where(torch.arange(20) < 10, 1, -1)[:, None], known))
    assert not prompt.mask.all()
    assert prompt.mask[:, -1].all()
    assert (prompt.mask.int().diff(dim=1) >= 0).all()
    assert (prompt.own[~prompt.mask] == 95).all()


@pytest.mark.parametrize("kind", KINDS)
def test_controls_have_other_text_of_the_same_length(kind: str) -> None:
    values, known = windows()
    plain, found = made(prompts()(values, known)), prompts(kind)(values, known)
    if kind == "none":
        assert found is None
        return
    found = made(found)
    same_head = torch.equal(found.shared, plain.shared)
    assert same_head == (kind in ("as_is", "constant"))
    if kind == "other":
        assert text(found).startswith(ELSEWHERE)
        assert torch.equal(found.own, plain.own)
    elif kind == "constant":
        assert found.own.shape == (3, 0)
    else:
        assert (found.shared.shape, found.own.shape) == (plain.shared.shape, plain.own.shape)
    if kind == "empty":
        assert len(set(found.shared.tolist()) | set(found.own.flatten().tolist())) == 1
    if kind == "shuffled":
        assert torch.equal(found.shared.sort().values, plain.shared.sort().values)
        assert torch.equal(found.own.sort(1).values, plain.own.sort(1).values)
    if kind in ("random", "shuffled"):
        again = made(prompts(kind)(values, known))
        assert torch.equal(again.shared, found.shared)
        assert torch.equal(again.own, found.own)


def test_numbers_are_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, (values, known) = prompts(), windows()
    asked: list[str] = []
    kind = type(writer.lexicon.tokenizer)
    plain = kind.__call__

    def tokenize(self: Any, text: list[str], **options: Any) -> Any:
        asked.extend(text)
        return plain(self, text, **options)

    monkeypatch.setattr(kind, "__call__", tokenize)
    values = values[[0, 1, 1, 0]]
    found = made(writer(values, known[[0, 1, 1, 0]]))
    assert torch.equal(found.own[0], found.own[3])
    numbers = [piece for piece in asked if any(sign.isdigit() for sign in piece)]
    assert len(set(numbers)) == len(numbers) > 0


def test_lags_are_never_zero_nor_beyond_half_the_window() -> None:
    values, known = windows(40)
    lags = summary(values, known).lags
    assert ((lags == 0) | (lags <= L // 2)).all()
    assert (summary(values, known, circular=True).lags == 0).any()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"prompt='loud' is unknown\. Choose one of as_is, none"):
        prompts("loud")
    with pytest.raises(ConfigError, match=r"style='odd' is unknown\. Choose one of fixed"):
        prompts(style="odd")
