"""Tasks as files, for models of other libraries in an environment of their own.

``FOLDER/GROUP/TASK/task.json`` has horizon, season and windows; ``history.parquet`` beside it has
the rows up to the last origin. The history of window k ends ``rows_after[k]`` rows before the end
of each series in that file. The rows to forecast in the last window are not written.
"""

from pathlib import Path

from tslm.core.files import write_json, write_table
from tslm.evaluation.suite.groups import Group, TaskSettings
from tslm.evaluation.suite.panels import read_panel


def write_task(group: Group, task: TaskSettings, folder: Path) -> Path:
    """Write one task and return its folder."""
    panel = read_panel(task)
    *_, last = panel.windows()
    place = folder / group.name / task.name
    facts = {
        "group": group.name,
        "task": task.name,
        "h": task.h,
        "season_length": task.season_length,
        "freq": panel.freq,
        "rows_after": [task.h * (task.windows - 1 - number) for number in range(task.windows)],
        "covariates": panel.covariates,
    }
    write_table(last.history, place / "history.parquet")
    write_json(facts, place / "task.json")
    return place
