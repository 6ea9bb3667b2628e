"""The reference has the published errors of seasonal naive, so the protocol is theirs."""

import pytest

from tslm.evaluation.suite import forecasts, groups, reference
from tslm.evaluation.suite.panels import read_panel

TASKS = [
    (name, task.name) for name in ("chronos2", "epf", "gift") for task in groups.load(name).tasks
]
UNEQUAL = {"m1_yearly": {"mase": 4.8931}}  # see the note in conf/suite/chronos2.yaml
SHIPPED = ("m4_hourly", "m4_weekly", "ETTh")  # their data come with tslm


def needing_data(name: str, task: str) -> object:
    return pytest.param(name, task, marks=[] if task in SHIPPED else [pytest.mark.data])


@pytest.mark.parametrize(("name", "task"), [needing_data(*case) for case in TASKS])
def test_the_reference_has_the_published_errors(name: str, task: str) -> None:
    group = groups.load(name)
    settings = group.task(task)
    windows = list(read_panel(settings).windows())
    season = settings.season_length
    found = [reference.forecast(window, season, group.reference) for window in windows]
    scores = forecasts.score(windows, found, season, group.average)
    assert set(settings.published) == set(group.metrics)
    for metric, value in {**settings.published, **UNEQUAL.get(task, {})}.items():
        assert scores[metric] == pytest.approx(value, abs=6e-4), metric
