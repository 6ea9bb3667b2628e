"""Series that the backbone reads together, with ``multivariate="tokens"``."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.networks import network
from tslm.core.errors import ConfigError
from tslm.core.spec import Spec
from tslm.core.types import Batch
from tslm.models.forecast_model import ForecastModel

H, L = 4, 16
AUTOTIMES = Spec("autotimes", patch_len=4)
ADAPTERS = [AUTOTIMES, Spec("variates"), Spec("s2ip", n_anchors=8)]
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
Walks = Callable[..., Batch]
CONTROLS = ["none", "linear", "mlp", "attention", "block", "random"]
every_adapter = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda spec: str(spec.name))


def model_of(
    adapter: Spec, multivariate: str = "tokens", rollout: str = "sliding", **values: Any
) -> ForecastModel:
    """Return an untrained model that reads 16 steps; its parts have the same weights each time."""
    parts = {"adapter": adapter, "base": None, "rollout": rollout}
    settings = {"h": H, "context_length": L, "multivariate": multivariate, **values}
    return network(parts, rows=60, **settings)


def ahead(model: ForecastModel, past: Tensor, time: Tensor) -> Tensor:
    return model.forecast(Batch.of(past, time), H)


@every_adapter
def test_one_series_is_forecast_as_if_it_were_alone(adapter: Spec, walks: Walks) -> None:
    past, _, time, *_ = walks(context=L, channels=1)
    alone = ahead(model_of(adapter, "independent"), past, time)
    assert torch.equal(ahead(model_of(adapter), past, time), alone)


@every_adapter
def test_forecasts_follow_the_order_of_the_series(adapter: Spec, walks: Walks) -> None:
    past, _, time, *_ = walks(context=L, channels=4)
    model, order = model_of(adapter), [2, 0, 3, 1]
    expected = ahead(model, past, time)[:, :, order]
    torch.testing.assert_close(ahead(model, past[:, :, order], time), expected, **CLOSE)


@every_adapter
def test_a_forecast_depends_on_the_other_series_of_its_window_only(
    adapter: Spec, walks: Walks
) -> None:
    past, _, time, *_ = walks(windows=2, context=L, channels=3)
    model = model_of(adapter)
    before = ahead(model, past, time)
    past[0, :, 2] = past[0, :, 2].flip(0)
    after = ahead(model, past, time)
    assert ((after - before)[0, :, :2].abs().amax(0) > 1e-4).all()
    torch.testing.assert_close(after[1], before[1], **CLOSE)
    fewer = ahead(model, past[:, :, :2], time)  # the number of series is free
    assert fewer.shape == (2, H, 2)


def test_no_segment_depends_on_a_later_one_of_another_series(walks: Walks) -> None:
    past, _, time, *_ = walks(context=L, channels=3)
    model = model_of(AUTOTIMES)
    model.prepare(time.flatten())
    before = model(past, time[:, :L]).values
    past[:, -4:, 1] += 5
    after = model(past, time[:, :L]).values
    torch.testing.assert_close(after[:, :-4, [0, 2]], before[:, :-4, [0, 2]], **CLOSE)
    assert not torch.allclose(after[:, -4:, [0, 2]], before[:, -4:, [0, 2]], **CLOSE)


@every_adapter
def test_a_series_without_values_changes_no_other(adapter: Spec, walks: Walks) -> None:
    past, _, time, *_ = walks(context=L, channels=3)
    model = model_of(adapter)
    past[:, :, 1] = torch.nan
    found = ahead(model, past, time)
    assert torch.isfinite(found).all()
    rest = ahead(model, past[:, :, [0, 2]], time)
    torch.testing.assert_close(found[:, :, [0, 2]], rest, **CLOSE)


def test_missing_segments_before_all_series_are_inert(walks: Walks) -> None:
    past, _, time, *_ = walks(context=L, channels=3)
    past[:, :8] = torch.nan
    long, short = model_of(AUTOTIMES), model_of(AUTOTIMES, context_length=8)
    found = ahead(long, past, time)
    torch.testing.assert_close(found, ahead(short, past[:, 8:], time[:, 8:]), **CLOSE)


def test_what_reads_each_series_alone_is_refused(walks: Walks) -> None:
    with pytest.raises(ConfigError, match="Set rollout=sliding"):
        model_of(AUTOTIMES, rollout="cached")
    with pytest.raises(ConfigError, match="multivariate=both is unknown"):
        model_of(AUTOTIMES, "both")
    with pytest.raises(ConfigError, match="'gru:tiny' accepts no attention mask"):
        model_of(AUTOTIMES, backbone="gru:tiny")
    past, _, time, *_ = walks(context=L, channels=2)
    words = model_of(Spec("time_llm", n_prototypes=8))
    with pytest.raises(ConfigError, match=r"Set adapter\.prompt=none"):
        ahead(words, past, time)
    wordless = model_of(Spec("time_llm", n_prototypes=8, prompt="none"))
    assert torch.isfinite(ahead(wordless, past, time)).all()


@pytest.mark.parametrize("backbone", [*CONTROLS])
def test_controls_read_series_together(backbone: str, walks: Walks) -> None:
    past, _, time, *_ = walks(context=L, channels=3)
    model, order = model_of(Spec("variates"), backbone=f"{backbone}:tiny"), [2, 0, 1]
    expected = ahead(model, past, time)[:, :, order]
    torch.testing.assert_close(ahead(model, past[:, :, order], time), expected, **CLOSE)
