"""sktime's own suite: everything ``check_estimator`` makes, one test a check."""

import logging
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("sktime", reason="sktime is not installed: make conformance")

from sktime.datasets import load_airline
from sktime.utils.estimator_checks import check_estimator

from tslm.interfaces.sktime import TSLMForecaster

pytestmark = pytest.mark.filterwarnings("ignore")
FAST: dict[str, Any] = {"backbone": "tiny", "max_steps": 2, "accelerator": "cpu"}


def test_every_check_passes(record_property: Any) -> None:
    logging.disable(logging.WARNING)
    results = check_estimator(TSLMForecaster, verbose=False)
    logging.disable(logging.NOTSET)
    others = {name: str(found) for name, found in results.items() if found != "PASSED"}
    skipped = {name: why for name, why in others.items() if why.startswith("SKIPPED: ")}
    failed = [f"{name}: {why}" for name, why in others.items() if name not in skipped]
    passed = len(results) - len(others)
    counts = {"passed": passed, "skipped": len(skipped), "failed": len(failed)}
    record_property("checks", counts)
    record_property("reasons", [why.removeprefix("SKIPPED: ") for why in skipped.values()])
    assert not failed, "\n".join(failed)
    assert passed > 700


def test_series_of_different_ends_are_forecast_at_the_times_that_were_asked() -> None:
    steps = pd.RangeIndex(60)
    early = pd.Series(range(55), index=steps[:55])
    late = pd.Series(range(100, 160), index=steps)
    y = pd.concat({"early": early, "late": late}, names=["shop", "step"]).to_frame("y") * 1.0
    model = TSLMForecaster(base="profile_ar", random_state=0, **FAST).fit(y, fh=[1, 3])
    ahead = model.predict()
    assert ahead.index.tolist() == [("early", 60), ("early", 62), ("late", 60), ("late", 62)]
    longer = TSLMForecaster(base="profile_ar", random_state=0, **FAST).fit(y, fh=[1, 3])
    alone = longer.model_.predict(longer_frame(y), h=8)
    assert ahead.y.iloc[0] == alone.iloc[5]["AutoTimes"]


def longer_frame(y: pd.DataFrame) -> pd.DataFrame:
    frame = y.reset_index().rename(columns={"step": "ds"})
    return frame.assign(unique_id=(frame.shop == "late").astype(int))[["unique_id", "ds", "y"]]


def test_pretraining_serves_other_series() -> None:
    y = load_airline()
    panel = pd.concat({"a": y, "b": 2 * y}, names=["id", "month"]).to_frame("y")
    model = TSLMForecaster(base=None, random_state=0, **FAST).pretrain(panel, fh=[1, 2, 3])
    weights = model.pretrained_.model_
    model.fit(3 * y, fh=[1, 2, 3])
    assert model.model_.model_ is weights
    assert len(model.predict()) == 3
