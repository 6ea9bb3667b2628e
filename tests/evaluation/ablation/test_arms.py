"""Arms of an ablation: on frames of users, with the seed of the run, also if one fails."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import ConfigError, DataError, Spec, TslmError, TSLMForecaster
from tslm.evaluation.ablation.arms import ITSELF, Arm, Budget
from tslm.evaluation.ablation.trial import held_out
from tslm.models.backbones.controls.scrambled_weights import random_matched

H = 4


def forecaster(**options: Any) -> TSLMForecaster:
    fixed = {"h": H, "backbone": "tiny", "max_steps": 1, "accelerator": "cpu", "verbose": 0}
    fixed |= {"adapter": Spec("autotimes", patch_len=4), "context_length": 8, "season_length": 4}
    return TSLMForecaster(**{"base": None, **fixed, **options})


def frame(lengths: dict[str, int], ends: dict[str, int] | None = None) -> pd.DataFrame:
    """Series that end together, or so many rows earlier."""
    parts = []
    for number, (name, length) in enumerate(lengths.items()):
        end = pd.Timestamp("2024-06-01") - pd.Timedelta(days=(ends or {}).get(name, 0))
        ds = pd.date_range(end=end, periods=length, freq="D")
        y = np.random.default_rng(number).normal(10 * number, 1 + number, length)
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y}))
    return pd.concat(parts, ignore_index=True)


def budget(*arms: Arm, seeds: tuple[int, ...] = (0,)) -> Budget:
    return Budget("mine", seeds, (1.0,), arms, language=False)


JOINT = Arm("itransformer", "system", model="itransformer")
NONE = Arm("none", "body", backbone="none")


def test_a_model_of_all_series_is_scored_on_the_windows_of_the_others() -> None:
    """Series begin at different dates, and the shortest has hardly a context."""
    df = frame({"a": 80, "b": 60, "c": 19})
    model = forecaster(max_steps=2)
    ablation = model.compare(held_out(model, df, 3 * H), [H, 2 * H], budget(JOINT))
    places = {
        arm: rows[["horizon", "series", "position"]].reset_index(drop=True)
        for arm, rows in ablation.windows.groupby("arm")
    }
    pd.testing.assert_frame_equal(places[ITSELF], places["itransformer"])
    first = places[ITSELF].groupby(["horizon", "series"]).position.min()
    assert first[H].tolist() == [68, 48, 8]
    assert ablation.windows.squared.notna().all()


def test_the_multivariate_arm_forecasts_like_its_own_fit() -> None:
    df = frame({"a": 60, "b": 40})
    model = forecaster()
    trial = held_out(model, df, H)
    ablation = model.compare(trial, [H], budget(JOINT))
    rows = ablation.windows[ablation.windows.arm == "itransformer"]
    alone = model.baseline("itransformer").set_params(context_length=8, random_state=0)
    alone.set_params(learning_rate=ablation.settings["itransformer"]["learning_rate"])
    ahead = alone.fit(trial.known).predict().merge(df, on=["unique_id", "ds"])
    gap = (ahead[alone.name] - ahead.y).groupby(ahead.unique_id).apply(lambda e: (e**2).mean())
    spread = trial.spread(pd.Index(["a", "b"]))
    np.testing.assert_allclose(rows.squared, gap.to_numpy() / spread**2, rtol=1e-4)


def test_series_that_end_apart_are_refused_before_the_first_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TSLMForecaster, "fit", lambda *_, **__: pytest.fail("a model was fitted"))
    df = frame({"a": 80, "b": 60}, {"b": 5})
    with pytest.raises(DataError, match=r"Arm itransformer: .*\bb\b.* ~budget.arms.itransformer"):
        forecaster().ablate(df, budget=budget(NONE, JOINT))


def test_an_arm_can_be_left_out_of_a_budget() -> None:
    less = Budget.of("full").without("itransformer", "last")
    assert {arm.name for arm in Budget.of("full").arms} - {arm.name for arm in less.arms} == {
        "itransformer",
        "last",
    }
    with pytest.raises(ConfigError, match=r"budget=full has no arm lest\. It has none"):
        Budget.of("full").without("lest")


def test_an_impossible_arm_is_refused_before_the_first_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TSLMForecaster, "fit", lambda *_, **__: pytest.fail("a model was fitted"))
    wrong = Arm("wrong", "design", adapter="autotimes", options={"patch": 3})
    with pytest.raises(ConfigError, match="no option 'patch'"):
        forecaster().ablate(frame({"a": 60}), budget=budget(NONE, wrong))


def test_trained_arms_are_reported_if_a_later_arm_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fit = TSLMForecaster.fit

    def failing(self: TSLMForecaster, *words: Any, **options: Any) -> Any:
        if self.n_layers == 1:
            raise RuntimeError("out of memory")
        return fit(self, *words, **options)

    monkeypatch.setattr(TSLMForecaster, "fit", failing)
    asked = budget(NONE, Arm("deep", "size", n_layers=1), Arm("last", "system", model="last"))
    model = forecaster()
    with pytest.warns(UserWarning, match="Arm deep failed and is left out: RuntimeError: out of"):
        found = model.ablate(frame({"a": 60}), n_windows=2, budget=asked)
    assert found.arm.tolist() == [ITSELF, "none", "last"]
    assert [answer.claim for answer in model.ablation_.answers] == ["body", "system"]
    files = model.ablation_.save(tmp_path / "a.json")
    assert json.loads(files[0].read_text())["failed"] == {"deep": "RuntimeError: out of memory"}
    for file in files[1:3]:
        assert "Arm deep failed and is left out" in file.read_text()


def test_a_failure_of_the_model_itself_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(TSLMForecaster, "fit", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        forecaster().ablate(frame({"a": 60}), budget=budget(NONE))


def test_random_backbones_are_drawn_with_the_seed_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []

    def watched(**given: Any) -> Any:
        drawn.append(given["seed"])
        return random_matched(**given)

    monkeypatch.setattr("tslm.models.backbones.controls.scrambled_weights.random_matched", watched)
    arm = Arm("random_matched", "weights", backbone="random_matched")
    model = forecaster()
    model.ablate(frame({"a": 60}), budget=budget(arm, seeds=(0, 3)))
    assert drawn == [0, 3]
    assert model.ablation_.settings["random_matched"]["backbone"] == "random_matched:tiny:0"


def test_a_model_of_static_covariates_can_be_ablated() -> None:
    df = frame({"a": 60, "b": 60})
    sizes = pd.DataFrame({"unique_id": ["a", "b"], "size": [1.0, 2.0]})
    model = forecaster(static_exog=["size"])
    found = model.ablate(df, static_df=sizes, budget=budget(NONE))
    assert found.arm.tolist() == [ITSELF, "none"]
    with pytest.raises(TslmError, match="size"):
        model.ablate(df, budget=budget(NONE))


def test_val_df_ends_before_the_scored_rows() -> None:
    df = frame({"a": 60, "b": 50})
    old = df.groupby("unique_id").head(40)
    new = df.drop(old.index)
    model = forecaster()
    trial = held_out(model, old, 2 * H, val_df=new)
    pd.testing.assert_frame_equal(trial.known.reset_index(drop=True), old.reset_index(drop=True))
    assert trial.val is not None
    assert trial.val.groupby("unique_id").size().to_dict() == {"a": 20 - 2 * H, "b": 10 - 2 * H}
    assert (trial.start.tolist(), trial.stop.tolist()) == ([52, 42], [60, 50])
    found = model.ablate(old, val_df=new, n_windows=2, budget=budget(NONE))
    assert np.isfinite(found.mse).all()
    with pytest.raises(DataError, match=r"Series 'b' have 12 rows or fewer in val_df"):
        model.ablate(old, val_df=new, n_windows=3, budget=budget(NONE))


def test_the_command_line_ablates_with_tables_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    df = frame({"a": 60, "b": 60})
    cities = pd.DataFrame({"unique_id": ["a", "b"], "city": ["Bonn", "Ulm"]})
    tables = {"data": df[df.ds < "2024-05-01"], "val_data": df[df.ds >= "2024-05-01"]}
    words = [f"out={tmp_path / 'a.json'}", "adapter=time_llm", "'prompt={city}'", "backbone=tiny"]
    words = [word.strip("'").replace("{city}", '"{city}"') for word in words]
    for name, table in {**tables, "static": cities}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        words.append(f"{name}={tmp_path / name}.csv")
    arms = ["budget=base", "budget.seeds=[0]"]
    fixed = ["h=4", "max_steps=1", "accelerator=cpu", "verbose=0"]
    sizes = ["context_length=8", "adapter.patch_len=4", "adapter.stride=4", "n_windows=2"]
    code = command("ablate", *words, *fixed, *sizes, *arms)
    assert code == 0, capsys.readouterr().err
    stored = json.loads((tmp_path / "a.json").read_text())
    assert [row["arm"] for row in stored["arms"]] == [ITSELF, "profile_ar"]
    assert stored["settings"][ITSELF]["prompt"] == "{city}"


def test_a_competition_is_refused_with_the_sets_to_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        command("ablate", "benchmark=m4_hourly", "backbone=tiny", f"out={tmp_path / 'a.json'}") == 2
    )
    assert "M4 Hourly is a set of many short series" in capsys.readouterr().err
