"""Text of each series: it changes the forecast of this series and of no other."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.command import command
from tests.frames import long_frame
from tslm import ConfigError, DataError, Spec, TSLMForecaster
from tslm.core.config.choices import choices
from tslm.core.config.compose import compose
from tslm.core.config.validation import complete
from tslm.data.datasets.benchmarks import Benchmark, Borders
from tslm.evaluation.protocols.long_horizon import run
from tslm.models.backbones.base import Backbone

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
PROMPT = "{store}, {city}: daily sales"
STATIC = pd.DataFrame(
    {
        "unique_id": ["a", "b", "c"],
        "store": [1.0, 2.0, 17.0],
        "city": ["Bonn", "Köln", "Frankfurt am Main"],
    }
)
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def forecaster(**options: Any) -> TSLMForecaster:
    usual: dict[str, Any] = {
        "h": 4,
        "adapter": Spec("time_llm", patch_len=8, stride=4, n_prototypes=8),
        "backbone": "tiny",
        "context_length": 24,
        "season_length": 6,
        "prompt": PROMPT,
        "max_steps": 4,
        "batch_size": 16,
        "trainer": Spec("one_cycle", looks=2),
        "accelerator": "cpu",
        "random_state": 0,
        "verbose": 0,
    }
    return TSLMForecaster(**{"base": None} | usual | options)


def sales(ids: str = "abc") -> pd.DataFrame:
    n, dice = 60, np.random.default_rng(0)
    waves = np.sin(np.arange(n) / 3) + dice.normal(size=(3, n))
    return long_frame({name: y for name, y in zip("abc", waves, strict=True) if name in ids})


def with_values(static: pd.DataFrame, name: str, **words: Any) -> pd.DataFrame:
    """The table with other words for one series."""
    return static.assign(
        **{key: static[key].where(static.unique_id != name, value) for key, value in words.items()}
    )


def values(frame: pd.DataFrame, name: str) -> torch.Tensor:
    return torch.tensor(frame[frame.unique_id == name].iloc[:, 2:].to_numpy())


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    return forecaster().fit(sales(), static_df=STATIC)


def test_the_text_of_one_series_changes_its_forecast_alone(model: TSLMForecaster) -> None:
    before = model.predict(sales(), static_df=STATIC)
    after = model.predict(sales(), static_df=with_values(STATIC, "b", city="an unknown place"))
    assert not torch.allclose(values(after, "b"), values(before, "b"), **CLOSE)
    for name in "ac":
        torch.testing.assert_close(values(after, name), values(before, name), **CLOSE)


def test_the_forecast_of_a_series_does_not_depend_on_others(model: TSLMForecaster) -> None:
    together = model.predict(sales(), static_df=STATIC, h=9)
    for name in "abc":
        alone = model.predict(sales(name), static_df=STATIC, h=9)
        torch.testing.assert_close(values(alone, name), values(together, name), **CLOSE)


def test_cached_text_gives_the_states_of_one_pass(
    model: TSLMForecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = model.predict(h=9)
    body, calls = model.model_.backbone, []

    def whole(tokens: Any, prompt: Any) -> Any:
        calls.append(not prompt.mask.all())  # words of several lengths
        return Backbone.after_prompt(body, tokens, prompt)

    monkeypatch.setattr(body, "after_prompt", whole)
    naive = model.predict(h=9)
    assert calls == [True] * 3
    for name in "abc":
        torch.testing.assert_close(values(naive, name), values(remembered, name), **CLOSE)


def test_text_comes_from_columns_of_the_frame_or_of_static_df(model: TSLMForecaster) -> None:
    beside = sales().merge(STATIC.drop(columns="city"), on="unique_id")
    again = forecaster().fit(beside, static_df=STATIC.drop(columns="store"))
    assert again.contexts_.text == model.contexts_.text
    assert model.contexts_.text[2] == "17, Frankfurt am Main: daily sales"
    pd.testing.assert_frame_equal(again.predict(), model.predict())
    pd.testing.assert_frame_equal(model.predict(sales(), static_df=STATIC), model.predict())


def test_text_is_used_in_training(model: TSLMForecaster) -> None:
    other = forecaster().fit(sales(), static_df=STATIC.assign(city="elsewhere"))
    same_words = other.predict(sales(), static_df=STATIC)
    assert not torch.allclose(values(same_words, "a"), values(model.predict(), "a"), **CLOSE)


def test_new_series_have_their_text(model: TSLMForecaster) -> None:
    new = sales("a").assign(unique_id="z", store=99, city="Ulm")
    ahead = model.predict(new)
    other = model.predict(new.assign(city="Trier"))
    assert not torch.allclose(values(ahead, "z"), values(other, "z"), **CLOSE)


def test_a_saved_model_has_its_text(model: TSLMForecaster, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(again.predict(), model.predict())
    other = with_values(STATIC, "b", city="Ulm")
    pd.testing.assert_frame_equal(
        again.predict(sales(), static_df=other), model.predict(sales(), static_df=other)
    )


@pytest.mark.parametrize("decoder", ["student_t", "point"])
def test_intervals_and_paths_depend_on_the_text(decoder: str) -> None:
    unsure = forecaster(decoder=decoder).fit(sales(), static_df=STATIC)

    def asked(names: str, static: pd.DataFrame) -> pd.DataFrame:
        return unsure.predict(sales(names), static_df=static, h=9, level=[80], num_samples=3)

    together = asked("abc", STATIC)
    for name in "ac":
        torch.testing.assert_close(
            values(asked(name, STATIC), name), values(together, name), **CLOSE
        )
    changed = asked("abc", with_values(STATIC, "c", store=3.0))
    torch.testing.assert_close(values(changed, "a"), values(together, "a"), **CLOSE)
    for column in range(values(together, "c").shape[1]):
        before, after = (values(frame, "c")[:, column] for frame in (together, changed))
        assert not torch.allclose(before, after, **CLOSE)


def test_a_backtest_uses_the_text_of_each_series() -> None:
    table = forecaster().cross_validation(sales(), static_df=STATIC, n_windows=2, refit=True)
    other = forecaster().cross_validation(
        sales(), static_df=STATIC.assign(city="Ulm"), n_windows=2, refit=True
    )
    pd.testing.assert_series_equal(table.SeasonalNaive, other.SeasonalNaive)
    assert not np.allclose(table.TimeLLM, other.TimeLLM, **CLOSE)


def test_faults_of_the_text_are_named(model: TSLMForecaster) -> None:
    with pytest.raises(ConfigError, match=r"names {store}.*There is 'unique_id'\."):
        forecaster().fit(sales())
    with pytest.raises(ConfigError, match=r"{town}.*There is 'unique_id', 'store', 'city'"):
        forecaster(prompt="{town}").fit(sales(), static_df=STATIC)
    with pytest.raises(DataError, match=r"{city}, which is missing in series 'b'"):
        model.predict(sales(), static_df=with_values(STATIC, "b", city=None))
    with pytest.raises(ConfigError, match=r"more than names in braces"):
        forecaster(prompt="{city.__class__}").fit(sales(), static_df=STATIC)
    with pytest.raises(ConfigError, match=r"names {store}"):
        forecaster().ablate(sales())


@pytest.mark.parametrize("adapter", [a for a in choices("adapter") if a != "time_llm"])
def test_an_adapter_that_reads_no_text_refuses_a_template(adapter: str) -> None:
    mute = forecaster(adapter=adapter)
    for ask in (mute.fit, mute.cross_validation, mute.ablate):
        with pytest.raises(
            ConfigError, match=r"no text to the language model. Choose adapter=time_llm"
        ):
            ask(sales())
    mute.set_params(prompt="Sales of two stores.")
    with pytest.warns(UserWarning, match="no text to the language model: prompt has no"):
        mute.fit(sales())


def test_a_prompt_that_was_changed_after_fit_is_refused(tmp_path: Path) -> None:
    model = forecaster(prompt="Sales of {unique_id}.").fit(sales())
    model.set_params(prompt="Rain.")
    for use in (model.predict, model.explain, lambda: model.save(tmp_path / "m")):
        with pytest.raises(ConfigError, match=r"prompt was changed .* Fit again, or set it back"):
            use()


def test_the_command_line_uses_the_text_of_each_series(tmp_path: Path) -> None:
    sales().to_csv(tmp_path / "sales.csv", index=False)
    STATIC.to_csv(tmp_path / "stores.csv", index=False)
    with_values(STATIC, "a", city="Ulm").to_csv(tmp_path / "moved.csv", index=False)
    files = [f"data={tmp_path}/sales.csv", f"static={tmp_path}/stores.csv"]
    settings = [f'prompt="{PROMPT}"', "h=4", "adapter=time_llm", "backbone=tiny", "max_steps=2"]
    settings.append("base=null")
    settings += ["adapter.patch_len=8", "adapter.stride=4", "adapter.n_prototypes=8", "verbose=0"]
    assert command("fit", *files, *settings, f"out={tmp_path}/m") == 0
    for static in ("stores", "moved"):
        files[1] = f"static={tmp_path}/{static}.csv"
        asked = ["predict", f"model={tmp_path}/m", *files, f"out={tmp_path}/{static}-f.csv"]
        assert command(*asked) == 0
    plain, moved = (pd.read_csv(tmp_path / f"{name}-f.csv") for name in ("stores", "moved"))
    assert not np.allclose(plain.TimeLLM[:4], moved.TimeLLM[:4], **CLOSE)
    np.testing.assert_allclose(plain.TimeLLM[4:], moved.TimeLLM[4:], **CLOSE)
    assert command("backtest", *files, *settings, f"out={tmp_path}/cv.csv") == 0
    assert command("fit", files[0], *settings, f"out={tmp_path}/n") == 2


def test_a_benchmark_uses_the_text_of_each_series(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = np.sin(np.arange(120) / 3)[:, None] + np.random.default_rng(0).normal(size=(120, 2))
    time = 1_704_067_200 + 3600 * np.arange(120)
    data = Benchmark("waves", ("a", "b"), waves, time, Borders(80, 100, 120), 6, "h", (4,))
    monkeypatch.setattr("tslm.evaluation.protocols.long_horizon.load", lambda name: data)
    words = ["horizons=[4]", "baselines=[]", "adapter=time_llm", "backbone=tiny", "max_steps=1"]
    words += ["accelerator=cpu", "verbose=0", "context_length=24", "adapter.n_prototypes=8"]
    (plain,), (informed,) = (
        list(run(complete(compose("verb/benchmark", [*words, f'prompt="{prompt}"']))))
        for prompt in ("Waves", "Waves of series {unique_id}")
    )
    assert plain["windows"] == informed["windows"] > 0
    assert plain["mse"] != informed["mse"]
