"""Line on the fit of a mix that begins: its members, and about how long it takes."""

import sys
from math import ceil
from time import perf_counter

import torch
from omegaconf import DictConfig

from tslm.core.forecaster import Forecaster
from tslm.core.hardware import is_first
from tslm.core.messages import counted
from tslm.data.samplers import evenly_spaced
from tslm.data.windows import Windows

SAMPLE = 32  # windows that are forecast to measure the cost of the members; chosen by hand
LONG = 100.0  # seconds above which a duration is given in minutes


def announce(model: Forecaster, train: Windows, cfg: DictConfig, windows: int) -> None:
    """Write one line to stderr on the fit of a mix.

    Args:
        model: the mix, before training.
        train: training windows.
        cfg: settings after ``settle``.
        windows: number of validation windows that weight the members; as many calibrate the mix,
            and as many compare it with baselines.
    """
    names = [one.member for one in model.contributions]
    members = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    series = "1 series" if len(train.panel) == 1 else f"{len(train.panel):,} series"
    training = ""
    if model.trains and not cfg.max_steps:
        training = f" on {cfg.backbone}, pretrained and not trained further"
    elif model.trains:
        training = f" on {cfg.backbone}, at most {counted(cfg.max_steps, 'training step')}"
    seconds = seconds_of_fit(model, train, cfg.batch_size, cfg.max_steps, 3 * windows)
    say(f"Fitting {series}, h={cfg.h}: a mix of {members}{training}, about {_duration(seconds)}.")


def seconds_of_fit(
    model: Forecaster, train: Windows, batch_size: int, steps: int, windows: int
) -> float:
    """Return the estimated seconds of a fit, from one training step and a few forecasts.

    It changes neither weights nor the state of random numbers. Without training windows it is 0.

    Args:
        model: a mix.
        train: training windows.
        batch_size: windows of a training step.
        steps: training steps, at most.
        windows: number of windows that are forecast.
    """
    if not len(train):
        return 0.0
    total = 0.0
    with torch.random.fork_rng():
        if model.trains and steps:
            sample = train.cut(evenly_spaced(len(train), batch_size))
            started = perf_counter()
            model.loss(sample).backward()
            total += steps * (perf_counter() - started)
            model.zero_grad(set_to_none=True)
        few = train.cut(evenly_spaced(len(train), SAMPLE))
        started = perf_counter()
        model.forecast(few, train.future_length)
        total += windows * (perf_counter() - started) / len(few.past)
    return total


def say(line: str) -> None:
    """Write a line to stderr, from the first of the processes that train together."""
    if is_first():
        print(line, file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    if seconds > LONG:
        return counted(ceil(seconds / 60), "minute")
    return counted(max(ceil(seconds), 1), "second")
