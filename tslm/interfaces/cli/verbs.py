"""The verbs of the command line: one table, from which the overview, dispatch and completion read.

To add a verb, write its function, add it to ``TOPICS``, and describe its settings in
``conf/verb/NAME.yaml``. Only the standard library is imported, so that ``tslm --help`` is fast.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple


class Verb(NamedTuple):
    """One verb of the command line.

    Attributes:
        summary: a few words for the overview.
        example: a command to copy.
        function: ``MODULE:NAME`` below ``tslm.interfaces.cli``; imported when the verb runs.
        has_settings: True if the function takes the settings of ``conf/verb/NAME.yaml`` and a
            function that prints; False if it takes the words as typed.
    """

    summary: str
    example: str
    function: str
    has_settings: bool = True

    def load(self) -> Callable[..., Any]:
        """Import the function that does the work."""
        module, _, name = self.function.partition(":")
        function: Callable[..., Any] = getattr(import_module(f"tslm.interfaces.cli.{module}"), name)
        return function


TOPICS: dict[str, dict[str, Verb]] = {
    "Try it": {
        "demo": Verb(
            "forecast two shipped data sets", "tslm demo out=outputs/demo", "demo_command:demo"
        ),
    },
    "Forecast your table": {
        "fit": Verb(
            "train a model and save it", "tslm fit data=sales.csv h=28 out=runs/a", "commands:fit"
        ),
        "predict": Verb(
            "forecast with a saved model",
            "tslm predict model=runs/a out=forecast.csv",
            "commands:predict",
        ),
        "recalibrate": Verb(
            "refit intervals on newer rows",
            "tslm recalibrate model=runs/a data=newer.csv",
            "result_commands:recalibrate",
        ),
        "tune": Verb(
            "search for good settings",
            "tslm tune data=sales.csv h=28 n_trials=20 out=runs/t",
            "commands:tune",
        ),
    },
    "Answer other programs": {
        "serve": Verb(
            "forecast over HTTP",
            "tslm serve model=runs/a port=8080",
            "serve_command:serve",
        ),
    },
    "Measure accuracy": {
        "backtest": Verb(
            "forecast from past origins",
            "tslm backtest data=sales.csv h=28 out=cv.csv",
            "commands:backtest",
        ),
        "evaluate": Verb(
            "errors of a backtest or forecast",
            "tslm evaluate data=sales.csv forecasts=cv.csv",
            "result_commands:evaluate",
        ),
        "ablate": Verb(
            "test if the language model helps",
            "tslm ablate data=sales.csv h=28 out=ablation.json",
            "study_commands:ablate",
        ),
        "benchmark": Verb(
            "score on a published data set",
            "tslm benchmark benchmark=etth1 out=result.json",
            "study_commands:benchmark",
        ),
        "suite": Verb(
            "score models on many public tasks",
            "tslm suite group=chronos2 out=suite/",
            "suite_command:suite",
        ),
        "table": Verb(
            "put results side by side",
            "tslm table results=[a.json,b.json] out=results.md",
            "study_commands:table",
        ),
        "memory": Verb(
            "estimate the memory of a fit",
            "tslm memory data=sales.csv h=28 n_layers=6",
            "study_commands:estimate_memory",
        ),
        "speed": Verb(
            "time a model on this machine",
            "tslm speed n_layers=6 out=speed.json",
            "study_commands:measure_speed",
        ),
    },
    "Find anomalies": {
        "score": Verb(
            "likelihood of observed values",
            "tslm score model=runs/a data=new.csv out=scores.csv",
            "score_command:score",
        ),
    },
    "Look inside": {
        "plot": Verb(
            "draw series and forecasts",
            "tslm plot data=sales.csv forecasts=cv.csv out=cv.png",
            "result_commands:plot",
        ),
        "explain": Verb(
            "show what a model reads in words",
            "tslm explain model=runs/a out=words.csv",
            "result_commands:explain",
        ),
    },
    "Share": {
        "push": Verb(
            "upload a saved model", "tslm push model=runs/a repo=me/sales", "commands:push"
        ),
        "pull": Verb(
            "download a shared model", "tslm pull repo=me/sales out=runs/b", "commands:pull"
        ),
    },
    "Look up choices and settings": {
        "backbone": Verb(
            "list or download language models",
            "tslm backbone list | tslm backbone pull NAME",
            "catalog_commands:backbone",
            has_settings=False,
        ),
        "config": Verb(
            "show or check settings",
            "tslm config show fit | tslm config check fit ...",
            "catalog_commands:config",
            has_settings=False,
        ),
        "completion": Verb(
            "complete words in your shell",
            'eval "$(tslm completion bash)", or zsh, fish',
            "completion:completion",
            has_settings=False,
        ),
    },
}
ALL = {name: verb for verbs in TOPICS.values() for name, verb in verbs.items()}
VERBS = {name: verb for name, verb in ALL.items() if verb.has_settings}
OTHERS = {name: verb for name, verb in ALL.items() if not verb.has_settings}


def overview() -> str:
    """Return the text of ``tslm --help``: all verbs by topic, then how settings are typed."""
    lines = ["tslm: time-series forecasting on frozen language models", ""]
    lines += ["usage: tslm VERB key=value ...", ""]
    for topic, verbs in TOPICS.items():
        lines.append(f"{topic}:")
        for name, verb in verbs.items():
            lines.append(f"  {name:<11} {verb.summary:<33} {verb.example}")
    return "\n".join(lines) + HINTS


HINTS = """
  adapter list, model list, decoder list, benchmark list ...: the choices of a setting, one a line

A table is a CSV or Parquet file with one row per series and time step. Its columns are unique_id
(the series), ds (the time) and y (the value). Set id_col=, time_col= and target_col= if yours have
other names. A table without an id column is one series. h is the number of steps to forecast.
data=- reads from a pipe and out=- writes to one.

tslm VERB --help lists the settings of a verb. -m runs every combination of values: -m h=12,24.
-q prints only warnings and errors. Put lists in quotes in most shells: 'level=[80,95]'.
"""
