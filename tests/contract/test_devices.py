"""Whatever is fitted on an accelerator works there, and where others moved theirs meanwhile."""

import pickle
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.contract.pretended import AWAY, HOME, Pretended, pretended
from tests.frames import random_walks
from tests.networks import network
from tslm import (
    BaselineForecaster,
    LiPCoTPretrainer,
    Spec,
    TSLMClassifier,
    TSLMForecaster,
    TSLMWindowRegressor,
)
from tslm.core.config.choices import choices
from tslm.core.errors import ConfigError
from tslm.core.types import Batch
from tslm.evaluation.ablation.probes import Probed
from tslm.models.backbones.loading import load
from tslm.models.backbones.weights.catalog import controls
from tslm.models.forecast_model import ForecastModel

pytestmark = [
    pytest.mark.filterwarnings("ignore:On .* validation windows"),
    pytest.mark.filterwarnings("ignore:.*windows"),
]
H = 6
FAST = {"h": H, "backbone": "tiny", "max_steps": 1, "batch_size": 8, "context_length": 24}
FAST |= {"val_size": 12, "verbose": 0, "random_state": 0}


def forecaster(adapter: str = "autotimes", **options: Any) -> TSLMForecaster:
    parts = {"autotimes": {"patch_len": H}, "lipcot": {"order": 4, "n_codes": 8}}
    spec = Spec(adapter, **parts.get(adapter, {}) | options.pop("options", {}))
    return TSLMForecaster(**{"base": None} | FAST | {"adapter": spec} | options)


@pytest.fixture(scope="module")
def away() -> Iterator[Pretended]:
    """A device that is not the CPU, and what ``accelerator="auto"`` finds."""
    with pytest.MonkeyPatch.context() as patch, pretended(patch) as mode:
        yield mode


def place(mode: Pretended, model: torch.nn.Module) -> set[torch.device]:
    return {mode.place(x) for x in [*model.parameters(), *model.buffers()]}


def test_a_tensor_on_the_wrong_device_is_found(away: Pretended) -> None:
    there = torch.ones(3, device=AWAY)
    assert (there.device, (2 * there).device) == (AWAY, AWAY)
    assert (there[1:].to("cpu") + torch.ones(2)).device == HOME
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.ones(3)
    with pytest.raises(TypeError, match="can't convert"):
        there.numpy()
    with pytest.raises(RuntimeError, match="same device"):
        torch.nn.Linear(3, 2)(there)
    assert torch.nn.Linear(3, 2).to(AWAY)(there).sum().device == AWAY


FITS: list[dict[str, Any]] = [
    {"decoder": "quantile", "early_stopping_patience": 1},
    {"decoder": "student_t", "conformal": "none", "rollout": "cached"},
    {"decoder": "mixture", "conformal": "cqr", "options": {"timestamps": "numeric"}},
    {"adapter": "time_llm", "base": "profile_ar", "options": {"prototypes": "words"}},
    {"adapter": "time_llm", "freeze": "full", "options": {"prototypes": "vocabulary"}},
    {"adapter": "s2ip", "decoder": "quantile", "options": {"anchors": "vocabulary"}},
    {"adapter": "s2ip", "backbone": "random:tiny", "base": "ridge", "decoder": "fold"},
    {"adapter": "lipcot", "early_stopping_patience": 1},
    {"adapter": "lipcot", "options": {"codes": "bigram"}, "freeze": "lora"},
    {"backbone": "none:tiny", "options": {"timestamps": "text"}},
]


@pytest.mark.parametrize("options", FITS, ids=str)
def test_a_model_fitted_on_another_device_forecasts_saves_and_loads(
    options: dict[str, Any], away: Pretended, cache: Path, tmp_path: Path
) -> None:
    model = forecaster(**options).fit(random_walks(120))
    assert place(away, model.model_) == {AWAY}
    ahead = model.predict(h=2 * H, level=[80])
    model.predict(num_samples=2)
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    assert place(away, again.model_) == {AWAY}
    pd.testing.assert_frame_equal(again.predict(h=2 * H, level=[80]), ahead)


def assembled(adapter: Any = "autotimes", **values: Any) -> ForecastModel:
    return network({"adapter": adapter}, rows=48, h=H, **values)


@pytest.mark.parametrize("kind", sorted(controls()))
def test_every_control_is_on_the_device_of_the_model(
    kind: str, away: Pretended, walks: Any
) -> None:
    load("tiny", device=AWAY)  # the shared body is elsewhere already
    batch: Batch = walks(context=24)
    model = assembled(Spec("autotimes", patch_len=H), backbone=f"{kind}:tiny", context_length=24)
    here = model.forecast(batch, 2 * H)
    model.to(AWAY)
    model.loss(Batch(*(x.to(AWAY) for x in batch[:3]))).backward()
    there = model.forecast(batch, 2 * H)
    assert there.device == HOME
    torch.testing.assert_close(there, here)


@pytest.mark.parametrize("kind", ["spectral", "vocabulary", "words"])
def test_word_vectors_come_from_a_backbone_on_another_device(
    kind: str, away: Pretended, walks: Any
) -> None:
    batch: Batch = walks(context=24)
    spec = Spec("time_llm", prototypes=kind, n_prototypes=8, prompt="none")
    model = assembled(spec, context_length=24)
    assert place(away, model.adapter) == {HOME}
    assert away.is_away(model.backbone.lexicon.words)
    model.loss(batch).backward()
    model.forecast(batch, H)


@pytest.fixture(scope="module")
def fitted(away: Pretended) -> TSLMForecaster:
    """Return a forecaster that was fitted on the simulated device."""
    return forecaster().fit(random_walks(120))


PROBES = ["shuffle_all", "shuffle_half", "swap_halves", "reverse", "shuffle_patches:6"]
PROBES += ["mask:0.5", "noise:0.1"]


@pytest.mark.parametrize("probe", PROBES)
def test_every_probe_works_on_another_device(
    probe: str, fitted: TSLMForecaster, walks: Any
) -> None:
    batch = walks(context=24)
    Probed(fitted.forecaster_, probe).forecast(batch, H)


@pytest.mark.parametrize("name", sorted(choices("model")))
def test_every_baseline_is_fitted_and_forecasts_on_another_device(
    name: str, away: Pretended, tmp_path: Path
) -> None:
    options = {"h": H, "max_steps": 1, "val_size": 12, "verbose": 0, "random_state": 0}
    try:
        model = BaselineForecaster(name, **options).fit(random_walks(120))
    except ConfigError as error:
        pytest.skip(str(error))
    model.predict(h=2 * H, level=[80])
    model.save(tmp_path / "m")
    BaselineForecaster.load(tmp_path / "m").predict(num_samples=2)


def test_classifier_regressor_and_pretrainer_use_a_backbone_on_another_device(
    away: Pretended, fitted: TSLMForecaster, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).normal(size=(12, 1, 200))
    kind = np.repeat([0, 1], 6)
    small = {"order": 4, "n_codes": 8, "backbone": "tiny"}
    TSLMClassifier(**small).fit(noise, kind).predict(noise)
    quick = {"width": 8, "n_layers": 1, "epochs": 1, "pretrain_epochs": 1}
    TSLMClassifier("bert", **small | quick).fit(noise, kind).predict(noise)
    windows = noise[:, 0, :30]
    adapter = Spec("autotimes", patch_len=H)
    regressor = TSLMWindowRegressor(adapter=adapter, backbone="tiny", max_steps=1, verbose=0)
    regressor.fit(windows[:, :24], windows[:, 24:]).predict(windows[:, :24])
    codes = Spec("lipcot", order=4, n_codes=8, frame_length=7)
    for freeze in ("strict", "full"):
        teacher = LiPCoTPretrainer(
            adapter=codes, backbone="tiny", max_steps=1, verbose=0, freeze=freeze
        )
        teacher.fit([random_walks(120)]).score(random_walks(120))
        teacher.save(tmp_path / freeze)
    fitted.predict()  # whose body nobody has moved


def test_a_shared_backbone_is_never_moved(away: Pretended, fitted: TSLMForecaster) -> None:
    ahead = fitted.predict()
    other = forecaster(accelerator="cpu").fit(random_walks(120))
    assert place(away, other.model_) == {HOME}
    third = forecaster().fit(random_walks(120))
    assert third.model_.backbone is fitted.model_.backbone
    third.model_.to(HOME)
    third.model_.to(torch.float64)
    assert place(away, fitted.model_) == {AWAY}
    pd.testing.assert_frame_equal(fitted.predict(), ahead)


def test_a_model_stays_on_the_device_where_it_was_trained(
    away: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[torch.device]] = []
    plain = ForecastModel.forecast

    def forecast(self: ForecastModel, *words: Any) -> Any:
        seen.append(place(away, self))
        return plain(self, *words)

    monkeypatch.setattr(ForecastModel, "forecast", forecast)
    forecaster(base="ridge").fit(random_walks(120))
    assert len(seen) >= 3  # shrinkage, intervals, verdict
    assert all(places == {AWAY} for places in seen)


@pytest.mark.parametrize("copy", [deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("adapter", ["autotimes", "time_llm"])
def test_copies_and_pickles_hold_no_backbone_and_share_the_loaded_one(
    adapter: str, copy: Any
) -> None:
    model = forecaster(adapter, accelerator="cpu").fit(random_walks(120))
    assert b"transformers.models" not in pickle.dumps(model)
    again = copy(model)
    assert again.model_.backbone is model.model_.backbone
    pd.testing.assert_frame_equal(again.predict(), model.predict())


def test_an_unfrozen_backbone_is_copied_with_its_model() -> None:
    model = forecaster(freeze="norms", accelerator="cpu").fit(random_walks(120))
    again = deepcopy(model)
    assert again.model_.backbone is not model.model_.backbone
    assert again.model_.backbone.lexicon is model.model_.backbone.lexicon
    pd.testing.assert_frame_equal(again.predict(), model.predict())
