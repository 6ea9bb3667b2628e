"""Groups of tasks: the files of ``conf/suite``, each with a protocol for all of its tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf

from tslm.core.config.choices import node
from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice, unknown_choice

WINDOWS, LONG_HORIZON = KINDS = ("windows", "long_horizon")  # protocols
EACH, POOLED = AVERAGES = ("each", "pooled")


@dataclass(frozen=True)
class Reference:
    """Reference forecast of a group: seasonal naive, with the intervals of the published table.

    Args:
        intervals: "none" (each quantile is the point) or "normal".
        rows: last rows of a history from which the spread is measured; None takes all.
    """

    intervals: str = "none"
    rows: int | None = None


@dataclass(frozen=True)
class TaskSettings:
    """One task of a group, as its yaml file describes it.

    Args:
        name: the name in the table.
        datasets: names of ``conf/benchmark``; their series form one panel.
        h: steps to forecast.
        season_length: steps of the season, for the scale of errors and the reference.
        windows: number of origins.
        gap: rows between the horizon of the last window and the end of each series.
        resample: step to average rows to, such as h; None keeps the rows.
        horizons: horizons of a task of the kind ``long_horizon``.
        published: published errors of the reference, by metric.
        note: difference to the published task, in words.
    """

    name: str
    datasets: Sequence[str]
    h: int = 1
    season_length: int = 1
    windows: int = 1
    gap: int = 0
    resample: str | None = None
    horizons: Sequence[int] = ()
    published: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Tasks with one protocol.

    Args:
        name: of the file in ``conf/suite``.
        title: what the group is, in words.
        source: of the published values.
        tasks: in the order of the table.
        metrics: the errors of the table; the first one gives the order.
        entrants: names of the models that run if none are given.
        kind: "windows" (cut at origins) or "long_horizon" (every window of the test rows).
        average: "each" averages the errors of windows; "pooled" takes all windows as one panel.
        reference: the forecast that errors are relative to.
        published: published models: errors by task, and relative errors.
        stride: distance of the test windows of the kind ``long_horizon``.
    """

    name: str
    title: str
    source: str
    tasks: tuple[TaskSettings, ...]
    metrics: tuple[str, ...]
    entrants: tuple[str, ...]
    kind: str = WINDOWS
    average: str = EACH
    reference: Reference = Reference()  # frozen
    published: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stride: int = 1

    def task(self, name: str) -> TaskSettings:
        """Return one task.

        Raises:
            ConfigError: if the group has none of this name.
        """
        found = {task.name: task for task in self.tasks}
        if name not in found:
            raise ConfigError(unknown_choice("tasks", name, found))
        return found[name]


def load(name: str) -> Group:
    """Read a group from ``conf/suite``, or from the same folder of a plug-in.

    Raises:
        ConfigError: if there is no such group, or its file does not describe one.
    """
    plain = OmegaConf.to_container(node("suite", name), resolve=True)
    assert isinstance(plain, dict)
    content: dict[str, Any] = {str(key): value for key, value in plain.items()}
    try:
        tasks = [TaskSettings(name=task, **values) for task, values in content["tasks"].items()]
        content |= {"name": name, "tasks": tuple(tasks)}
        content |= {key: tuple(content[key]) for key in ("metrics", "entrants")}
        content["reference"] = Reference(**content.get("reference", {}))
        group = Group(**content)
    except (TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"conf/suite/{name}.yaml does not describe a group: {error}.") from error
    check_choice("suite.kind", group.kind, KINDS)
    check_choice("suite.average", group.average, AVERAGES)
    return group
