"""Settings of a forecaster: one field each, with its default, its bounds and its help text.

The signatures and docstrings of the estimators and the comments in ``conf/config.yaml`` and
``conf/columns.yaml`` repeat these fields; ``make settings`` writes the texts, and a test compares
them all.
"""

# ruff: noqa: RUF009  # a dataclass field is made by a call

from dataclasses import Field, dataclass, field, fields
from typing import Any

from omegaconf import OmegaConf

from tslm.core.config.command_schema import TEXT
from tslm.core.plain_values import LONGEST
from tslm.core.spec import Spec

# Sections, in the order of signatures and help
TASK, MODEL, DATA, DETAIL, TRAINING = "task", "model", "data", "detail", "training"
UNCERTAINTY, HARDWARE, OUTPUT = "uncertainty", "hardware", "output"

# Tags
PART = "part"  # names a config group
LIVE = "live"  # Python objects: neither in yaml nor in saved models
LANGUAGE = "language"  # a baseline does not have it
COVARIATE = "covariate"  # columns and calendars beside the target
OWN = "own"  # each model has its own: a baseline beside another model does not take it over


def setting(
    section: str,
    default: Any,
    help: str,
    *tags: str,
    null: str = "",
    more: str = "",
    least: int | None = None,
    most: int = 10**9,
    choices: tuple[str, ...] = (),
) -> Any:
    """Make a field of ``RunConfig``.

    Args:
        section: the group of settings it belongs to.
        default: the value in Python and in yaml.
        help: a phrase without a full stop: the comment in yaml and the start of the docstring.
        tags: the lists of settings it belongs to.
        null: continues "None ..." and "null ...", for a setting that may be left open.
        more: further sentences of the docstring.
        least: the least whole number allowed; None checks no range.
        most: the largest.
        choices: the texts allowed; empty checks none.
    """
    about = {
        "section": section,
        "help": help,
        "tags": tags,
        "null": null,
        "more": more,
        "range": None if least is None else (least, most),
        "choices": choices,
    }
    return field(default=default, metadata=about)


# fmt: off
@dataclass
class RunConfig:
    """Settings of a forecaster, in the order of its signature."""

    h: int = setting(
        TASK, 24, "number of steps to forecast; training uses the same horizon", least=1,
        most=LONGEST,
    )

    adapter: str | Spec = setting(
        MODEL, "autotimes", "method that turns series into tokens", PART, LANGUAGE,
        more="A name, or a ``Spec`` with options.",
    )
    backbone: str = setting(
        MODEL, "smollm2-135m",
        "the frozen language model: a name (tslm backbone list), a hub id, a folder or a .gguf "
        'file; or a control in its place, such as "none", "block" or "random:smollm2-135m"',
        LANGUAGE, TEXT,
    )
    n_layers: int | str | None = setting(
        MODEL, None,
        'number of first blocks of the backbone to use; "all" uses every block, "auto" lets '
        "validation choose", LANGUAGE, null="takes the recommendation of the backbone",
    )
    decoder: str | Spec | None = setting(
        MODEL, None, "method that turns hidden states into values", PART, LANGUAGE,
        null="is the adapter's own decoder",
        more='"point", "quantile", "student_t" and "mixture" are the adapter\'s own decoder with '
        "that distribution of each value.",
    )
    base: str | Spec | None = setting(
        MODEL, "auto",
        '"auto" is a mix of classical forecasts and that of the adapter; another name is the '
        'forecast that the adapter corrects: "profile", "profile_ar", "ridge" or "theta", or '
        '"none"',
        PART, LANGUAGE,
        null="is the adapter alone, as published (lipcot corrects profile_ar)",
        more="Validation weights the members of a mix. Otherwise training begins at the base "
        "forecast, and validation decides how much of the correction is used.",
    )
    context_length: int | None = setting(
        MODEL, None, "number of past steps that the model reads", OWN, least=1, most=LONGEST,
        null="takes a length that suits the data",
    )

    freq: int | str | None = setting(
        DATA, None, "time between rows: a pandas alias such as h, D or MS, or a whole number",
        null="infers it",
    )
    season_length: int | None = setting(
        DATA, None, "number of steps of the main season", least=1, most=LONGEST,
        null="takes that of the frequency",
    )
    id_col: str | list[str] = setting(
        DATA, "unique_id",
        "column of series ids, or a list of columns that identify a series together, such as "
        "[store, item]; a frame without the column unique_id is one series",
    )
    time_col: str = setting(
        DATA, "ds", "column of times; without a column ds, the only column of dates", TEXT
    )
    target_col: str = setting(
        DATA, "y", "column of values; without a column y, the only column of numbers", TEXT
    )
    futr_exog: list[str] | None = setting(
        DATA, None, "columns of covariates that are known ahead, numbers or categories", COVARIATE,
        more="``predict`` needs their values for the steps to forecast.",
    )
    hist_exog: list[str] | None = setting(
        DATA, None, "columns of covariates that are known up to the last row", COVARIATE
    )
    static_exog: list[str] | None = setting(
        DATA, None, "columns with one value per series", COVARIATE,
        more="They are columns of ``static_df``, or of the frame itself.",
    )
    prompt: str | None = setting(
        DATA, None,
        "description of the series for adapters that pass text to the language model", LANGUAGE,
        TEXT,
        more='For example "Hourly load of a small town.". Names in braces are filled in for each '
        'series: "{store}, {city}: daily sales". They name the id column, or columns with one '
        "value per series. ``fit`` warns, or refuses names in braces, if the adapter does not read "
        "text.",
    )
    missing: str = setting(
        DATA, "mask",
        'treatment of missing values: "mask" (left out of statistics and loss), "interpolate", '
        '"ffill" or "raise"',
    )
    on_duplicate: str = setting(
        DATA, "raise", 'treatment of rows with the same time: "raise", "first", "last" or "mean"'
    )
    time_format: str | None = setting(
        DATA, None,
        'format of times in text or numbers: a strptime format such as %d/%m/%Y, "s", "ms", "us" '
        'or "ns" since 1970, or "excel"',
        TEXT, null="infers it",
    )
    dayfirst: bool | None = setting(
        DATA, None, "read 01/02 as 1 February (true) or 2 January (false)",
        null="infers it, and raises an error if dates are ambiguous",
    )
    tz: str | None = setting(
        DATA, None,
        "time zone in which times are read, such as Europe/Berlin; times without a zone are local "
        "there",
        TEXT,
        null="uses the zone of the data, and reads text with changing offsets in UTC",
    )
    resample: str | None = setting(
        DATA, None,
        "step of a regular grid to put rows on, such as h, 15min or MS: numbers in one step are "
        "averaged, the last category is taken, and a step without rows is missing",
        TEXT, null="leaves rows as they are",
    )
    holidays: str | None = setting(
        DATA, None,
        "country or subdivision whose holidays are covariates, such as DE or DE-BY", COVARIATE,
        TEXT,
    )
    calendar: bool = setting(
        DATA, False, "use the time of day, of the week and of the year as covariates", COVARIATE
    )
    titles: str | None = setting(
        DATA, None,
        'title of each series, such as "{title}", by which series with few rows or none are '
        "forecast",
        OWN, TEXT,
        more="Names in braces are columns with one value per series. The ``text_reader`` reads "
        "each title once. A series of one row with a missing value has no history.",
    )

    distribution: str | Spec | None = setting(
        DETAIL, None,
        'distribution of each forecast value: "point", "quantile", "student_t" or "mixture"; use '
        'it if decoder= names a layout such as "flatten"',
        PART, LANGUAGE, null="is a point, or the distribution that decoder= names",
    )
    freeze: str | Spec = setting(
        DETAIL, "strict",
        'weights of the backbone to train: "strict" (none), "norms", "norms+pos", "lora" or '
        '"full"',
        PART, LANGUAGE,
    )
    rollout: str | Spec = setting(
        DETAIL, "sliding",
        'roll-out of a horizon longer than one pass: "sliding"; "cached", which reads each segment '
        'once and is faster; or "parallel", which is trained to forecast h in one pass',
        PART, LANGUAGE,
    )
    multivariate: str = setting(
        DETAIL, "independent", 'reading of series: each alone ("independent"), or joint ("tokens")',
        LANGUAGE, choices=("independent", "tokens"),
    )
    pretrained: str | None = setting(
        DETAIL, None,
        "folder of a saved model, or of a saved LiPCoTPretrainer; training begins with its adapter",
        LANGUAGE, TEXT, null="begins with new weights",
        more="With max_steps=0 its adapter and decoder forecast untrained.",
    )

    max_steps: int = setting(TRAINING, 1000, "number of training batches", least=0)
    max_epochs: int | None = setting(
        TRAINING, None, "number of passes over all training windows, in place of max_steps", least=1
    )
    learning_rate: float | None = setting(
        TRAINING, None, "the highest learning rate", OWN,
        null="takes that of the adapter or baseline",
    )
    batch_size: int | str | None = setting(
        TRAINING, None,
        'windows per training batch; "auto" takes the largest power of two that fits into memory',
        OWN,
        null="takes that of the adapter or baseline",
        more='"auto" takes at most four times that. The number is in ``config_``.',
    )
    val_size: int | None = setting(
        TRAINING, None, "number of last rows of each series used for validation; 0 uses none",
        least=0,
        null="takes a tenth of each series",
        more="That tenth is raised to ``h`` rows, or cut to 10 ``h`` rows.",
    )
    early_stopping_patience: int | None = setting(
        TRAINING, None,
        "number of validation checks without progress after which training stops, with the best "
        "weights",
        least=1, null="trains to the end and uses the last weights",
        more="The best weights have the least squared error of points, or the best score of a "
        "distribution.",
    )
    fraction: float = setting(
        TRAINING, 1.0,
        "fraction of the training rows of each series to train on, counted from the first row; "
        "above 0, at most 1",
        more="Validation uses all of its rows, and sizes suggested by the data come from all rows.",
    )
    scaler: str = setting(
        TRAINING, "fraction",
        'training rows that give the mean and the standard deviation of a series, for '
        'standardising it: those of "fraction", or all ("train")',
        choices=("fraction", "train"),
    )
    trainer: str | Spec = setting(
        TRAINING, "one_cycle",
        'training recipe: optimizer, learning-rate schedule and loss: "one_cycle", "cosine" or '
        '"halving"',
        PART,
        more="A name, or a ``Spec`` with options.",
    )

    conformal: str | None = setting(
        UNCERTAINTY, None,
        'calibration of intervals on validation windows: "residual", "cqr", "adaptive" or "none"',
        OWN,
        null='is "residual" for points and "none" for distributions',
        more="See ``tslm.uncertainty.conformal``.",
    )
    text_reader: str = setting(
        UNCERTAINTY, "smollm2-135m",
        'reader of titles and of statements in events: "smollm2-135m", a language model with a '
        'pretrained head; another backbone, which learns effects from past statements alone; or '
        '"rules", which uses numbers and a short list of words',
        TEXT,
    )
    floor: float | int | None = setting(
        UNCERTAINTY, None,
        "smallest value of forecasts, intervals and samples, in the units of the target; such as 0 "
        "for sales",
    )

    accelerator: str = setting(
        HARDWARE, "auto", "device to train on, as in Lightning: auto, cpu, gpu and others"
    )
    devices: int | str | list[int] = setting(
        HARDWARE, 1, "number or list of devices, as in Lightning"
    )
    strategy: str = setting(
        HARDWARE, "auto", "strategy for several devices, as in Lightning"
    )
    precision: str | None = setting(
        HARDWARE, None, "precision of the frozen backbone, fp32 or bf16", LANGUAGE,
        null="takes bf16 on GPUs that support it, else fp32",
    )

    alias: str | None = setting(
        OUTPUT, None, "name of the forecast column", OWN, TEXT,
        null="is the class name of the adapter or baseline",
    )
    random_state: int | None = setting(
        OUTPUT, None, "seed; the same seed gives the same bits on a CPU", least=0,
        most=2**32 - 1, null="draws one",
    )
    verbose: int | bool = setting(
        OUTPUT, 1, "0 is silent, 1 shows a progress bar", least=0, most=10
    )
    logger: Any = setting(
        OUTPUT, None, "a logger of Lightning, or a list of loggers, for the losses", LIVE, OWN,
        more="The loss by step is also in ``history_``. Loggers, callbacks and trainer_kwargs are "
        "not saved.",
    )
    callbacks: Any = setting(OUTPUT, None, "further callbacks of Lightning", LIVE, OWN)
    trainer_kwargs: Any = setting(
        OUTPUT, None, 'further arguments of Lightning\'s Trainer: ``{"log_every_n_steps": 10}``',
        LIVE, OWN,
    )
# fmt: on


def tagged(*tags: str) -> tuple[str, ...]:
    """Return the names of the settings that have any of these tags, in their order."""
    return tuple(f.name for f in fields(RunConfig) if set(tags) & set(f.metadata["tags"]))


def value_fields() -> list[Field[Any]]:
    """Return the fields of settings with plain values, which are neither parts nor live objects."""
    return [f for f in fields(RunConfig) if not {PART, LIVE} & set(f.metadata["tags"])]


def listed(value: Any) -> list[Any] | None:
    """Return a setting that may be a list or a single value as a list; None stays None."""
    if value is None:
        return None
    return list(value) if OmegaConf.is_list(value) else [value]
