"""Parts of the suite: windows, entrants, errors of a task, the reference and ranks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from tslm.core.errors import ConfigError, DataError
from tslm.evaluation.suite import entrants, groups, reference
from tslm.evaluation.suite.forecasts import QUANTILES, score
from tslm.evaluation.suite.panels import read_panel
from tslm.evaluation.suite.ranks import among_best, critical_difference, mean_ranks

pytestmark = pytest.mark.usefixtures("site")


def test_no_window_holds_rows_after_its_origin() -> None:
    panel = read_panel(groups.load("waters").task("ponds"))
    ends = [window.history.ds.max() for window in panel.windows()]
    days = pd.to_datetime(panel.frame.ds)
    assert [int((days > end).sum()) for end in ends] == [14, 10, 6]
    for window, end in zip(panel.windows(), ends, strict=True):
        assert window.future.ds.min() == end + pd.Timedelta("1D")
        assert "y" not in window.future
        truth = panel.frame.set_index("ds").y[window.future.ds]
        np.testing.assert_array_equal(window.truth[0], truth)


def test_an_entrant_is_a_file_a_baseline_or_an_adapter(site: Path) -> None:
    assert entrants.find("drift").settings == {"model": "drift"}
    assert entrants.find("time_llm").settings == {"adapter": "time_llm"}
    assert entrants.find("random").settings == {"base": "auto", "backbone": "random"}
    model = entrants.find("small").estimator(h=3, random_state=1, verbose=0)
    assert (model.h, model.get_params(deep=False)["adapter"].name) == (3, "autotimes")
    path = site / "mine.yaml"
    OmegaConf.save({"entrant": {"model": "last"}}, path)
    assert entrants.find(str(path)).name == "mine"
    assert entrants.find("drift").with_settings({"max_steps": 3, "n_layers": 2}).settings == {
        "model": "drift",
        "max_steps": 3,
    }


def test_windows_are_averaged_or_pooled() -> None:
    group = groups.load("waters")
    panel = read_panel(group.task("ponds"))
    windows = list(panel.windows())
    found = [reference.forecast(window, 7, group.reference) for window in windows]
    alone = [score([w], [f], 7, "each") for w, f in zip(windows, found, strict=True)]
    each, pooled = (score(windows, found, 7, average) for average in ("each", "pooled"))
    assert each["wql"] == pytest.approx(np.mean([one["wql"] for one in alone]))
    total = sum(np.abs(window.truth).sum() for window in windows)
    parts = [one["wql"] * np.abs(w.truth).sum() for one, w in zip(alone, windows, strict=True)]
    assert pooled["wql"] == pytest.approx(sum(parts) / total)
    assert each["mase"] == pytest.approx(pooled["mase"])


def test_normal_intervals_of_the_reference_grow_by_season() -> None:
    window = next(read_panel(groups.load("waters").task("streams")).windows())
    found = reference.forecast(window, 2, groups.Reference("normal", 6))
    past = window.pasts[0][-6:]
    spread = np.sqrt(np.mean((past[2:] - past[:-2]) ** 2))
    width = found.quantiles[0, :, -1] - found.quantiles[0, :, 0]
    np.testing.assert_allclose(width, 2 * 1.2815515655 * spread * np.sqrt([1, 1, 2]))
    assert len(QUANTILES) == found.quantiles.shape[-1]


def test_a_series_that_is_too_short_is_named() -> None:
    settings = groups.TaskSettings("t", ["streams"], h=7, season_length=1, windows=3)
    with pytest.raises(DataError, match="series 's0', 's1' have no row before the first of 3"):
        list(read_panel(settings).windows())


def test_rows_are_averaged_to_a_longer_step(site: Path) -> None:
    settings = groups.TaskSettings("t", ["ponds"], h=2, season_length=1, resample="2D")
    depth = pd.read_csv(site / "ponds.csv").depth.to_numpy()
    panel = read_panel(settings)
    assert panel.freq == "2D"
    np.testing.assert_allclose(panel.frame.y, depth.reshape(-1, 2).mean(axis=1))


def test_the_critical_difference_is_that_of_the_paper() -> None:
    assert critical_difference(4, 14) == pytest.approx(
        1.25, abs=0.005
    )  # Demšar 2006, section 3.2.2
    ranks = mean_ranks(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 2.0], "c": [4.0, 4.0]}))
    assert ranks.to_dict() == {"a": 1.25, "b": 1.75, "c": 3.0}
    assert among_best(ranks, 0.6) == ["a", "b"]


def test_a_file_that_does_not_describe_a_group_is_refused(site: Path) -> None:
    (site / "conf/suite/odd.yaml").write_text("suite:\n  title: Odd\n")
    with pytest.raises(ConfigError, match=r"conf/suite/odd\.yaml does not describe a group"):
        groups.load("odd")
