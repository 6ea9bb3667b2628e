"""Scores of sample paths against scoringrules, and in ``evaluate``."""

import numpy as np
import pandas as pd
import pytest
import scoringrules

from tests.frames import random_walks
from tslm import BaselineForecaster, evaluate
from tslm.evaluation.metrics.sample_paths import energy_score, variogram_score


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Return a true path of seven steps, and thirty sample paths."""
    dice = np.random.default_rng(0)
    return dice.normal(size=7).cumsum(), dice.normal(size=(30, 7)).cumsum(1)


def test_the_energy_score_is_that_of_scoringrules(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    truth, paths = drawn
    expected = scoringrules.es_ensemble(truth, paths, estimator="fair") / np.sqrt(7)
    assert energy_score(truth, paths) == pytest.approx(float(expected))


def test_the_variogram_score_is_that_of_scoringrules(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    truth, paths = drawn
    apart = np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    weights = np.divide(1, apart, out=np.zeros((7, 7)), where=apart > 0)
    expected = scoringrules.vs_ensemble(truth, paths, weights, p=0.5) / weights.sum()
    assert variogram_score(truth, paths) == pytest.approx(float(expected))


def test_steps_without_a_true_value_are_left_out(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    truth, paths = drawn
    holed = truth.copy()
    holed[[2, 6]] = np.nan
    kept = [0, 1, 3, 4, 5]
    assert energy_score(holed, paths) == pytest.approx(energy_score(truth[kept], paths[:, kept]))
    assert variogram_score(holed[:2], paths[:, :2]) == variogram_score(truth[:2], paths[:, :2])
    assert np.isnan(energy_score(np.full(7, np.nan), paths))
    assert np.isnan(variogram_score(np.full(7, np.nan), paths))


def test_paths_whose_steps_go_together_as_in_truth_score_better_than_shuffled_ones() -> None:
    dice = np.random.default_rng(0)
    truths, paths = dice.normal(size=(40, 12)).cumsum(1), dice.normal(size=(100, 12)).cumsum(1)
    shuffled = dice.permuted(paths, axis=0)  # every step keeps its values
    for score in (energy_score, variogram_score):
        whole, apart = (np.mean([score(t, p) for t in truths]) for p in (paths, shuffled))
        assert whole < apart


def test_evaluate_scores_the_sample_paths_of_a_forecast() -> None:
    df = random_walks()
    last = df.groupby("unique_id").ds.transform("max")
    known = df[df.ds <= last - pd.Timedelta(days=5)]
    table = BaselineForecaster("last", h=5, random_state=0).fit(known).predict(num_samples=20)
    shuffled = table.sample(frac=1, random_state=0)  # rows may be in any order
    found = evaluate(shuffled, df).set_index("metric")["Last"]
    expected = []
    for key, rows in table.groupby("unique_id"):
        truth = df[(df.unique_id == key) & df.ds.isin(rows.ds)].y.to_numpy()
        paths = rows.filter(like="-sample-").to_numpy().T
        expected.append((energy_score(truth, paths), variogram_score(truth, paths)))
    assert found[["energy", "variogram"]].tolist() == pytest.approx(np.mean(expected, 0).tolist())
