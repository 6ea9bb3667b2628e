"""Join a config and a task to a model."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from omegaconf import DictConfig

from tslm.core.calendar import Calendar
from tslm.core.config.build import build, part_class
from tslm.core.config.choices import control, node
from tslm.core.errors import ConfigError
from tslm.core.hardware import Machine
from tslm.core.types import Facts, Forecaster, Task
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.controls.reference import Reference
from tslm.models.backbones.loading import load
from tslm.models.forecast_model import ForecastModel

DEFAULT = "smollm2-135m"  # whose size a control has if none is named
ANY: AbstractContextManager[None] = nullcontext()  # tensors of any size
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def settle(cfg: DictConfig, facts: Facts) -> DictConfig:
    """Fill the sizes left open with what the part suggests for these data, in a copy."""
    cfg = cfg.copy()
    part = cfg.adapter if cfg.model is None else cfg.model
    sizes = part_class(part).suggest(facts, cfg.context_length, dict(part))
    cfg.context_length = sizes.context_length
    for name, value in sizes.options.items():
        part[name] = value
    return cfg


def task_of(cfg: DictConfig, season_length: int, calendar: Calendar) -> Task:
    """What every part must know of the settled settings and the frame."""
    return Task(
        context_length=cfg.context_length,
        horizon=cfg.h,
        season_length=season_length,
        freq=calendar.freq,
        dated=calendar.dated,
        tz=calendar.tz,
        description=cfg.prompt or "",
    )


def assemble(
    cfg: DictConfig,
    task: Task,
    *,
    device: torch.device | None = None,
    download: bool = True,
    sizes: AbstractContextManager[None] = ANY,
) -> ForecastModel:
    """Load the body and make the adapter and decoder that go with it.

    Args:
        cfg: settled settings.
        task: what is to be forecast.
        device: where the body is; None is where its settings say.
        download: whether weights may be fetched from the network.
        sizes: watches the tensors that are made beside the body.
    """
    backbone = body_of(cfg, device, download=download)
    with sizes:
        adapter = build(cfg.adapter, lexicon=backbone.lexicon, task=task)
        family, layout = build(cfg.distribution), adapter.layout
        decoder = build(cfg.decoder, width=backbone.width, layout=layout, task=task, family=family)
        task = replace(task, horizon=decoder.step)
        base = None if cfg.base is None else build(cfg.base, task=task)
    return ForecastModel(
        adapter=adapter, backbone=backbone, decoder=decoder, base=base, rollout=cfg.rollout
    )


def rehearse(cfg: DictConfig) -> None:
    """Make what settings describe on two random blocks, for a long series without data or weights.

    Raises:
        ConfigError: if a part refuses its options, or parts do not fit together.
    """
    season = cfg.season_length or 1
    cfg = settle(cfg, Facts(cfg.h, season, 100 * cfg.h))
    cfg.backbone, cfg.n_layers = "tiny", None
    task = Task(cfg.context_length, cfg.h, season, description=cfg.prompt or "")
    build(cfg.trainer, learning_rate=cfg.learning_rate or 1e-3, steps=cfg.max_steps)
    if cfg.model is None:
        assemble(cfg, task, download=False)
    else:
        baseline(cfg.model, task)


def body_of(
    cfg: DictConfig, device: torch.device | None = None, *, download: bool = True
) -> Backbone:
    """The language model, or the control ``KIND``, ``KIND:NAME`` or ``KIND:NAME:SEED``."""
    freeze = build(cfg.freeze)
    device = device or device_of(cfg)
    dtype = dtype_of(cfg, device)
    kind, _, rest = cfg.backbone.partition(":")
    card = control(kind)
    if card is None:
        return load(cfg.backbone, cfg.n_layers, dtype, device, freeze=freeze, download=download)
    name, _, seed = rest.rpartition(":") if rest.rpartition(":")[2].isdigit() else (rest, "", "0")
    reference = Reference(name or DEFAULT, cfg.n_layers, dtype, download, device)
    made: Backbone = build(
        card, reference=reference, seed=int(seed), freeze=freeze, name=cfg.backbone
    )
    return made


def baseline(cfg: DictConfig, task: Task) -> Forecaster:
    """Make a forecaster of its own: the node ``model`` of settled settings."""
    return build(cfg, task=task)


def rule(name: str, task: Task) -> Forecaster:
    """Make a forecaster that needs no training, as its yaml has it."""
    return baseline(node("model", name), task)


def device_of(cfg: DictConfig) -> torch.device:
    """Where a model is: where it was trained, or on the CPU of a computer that lacks that."""
    try:
        return Machine.of(cfg).device
    except ConfigError:
        return torch.device("cpu")


def device_named(name: str | torch.device) -> torch.device:
    """A device of this computer, by its name.

    Raises:
        ConfigError: if there is none of that name.
    """
    try:
        return torch.empty(0, device=name).device  # "cuda" is that of its number
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device={str(name)!r} is not a device of this computer: {str(error).splitlines()[0]} "
            "Use device='cpu', or 'cuda:0' and the like where there is one."
        ) from error


def dtype_of(cfg: DictConfig, device: torch.device) -> torch.dtype:
    """The precision of a frozen body: as asked, else bf16 where the device is made for it."""
    if cfg.precision is None:
        capable = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if capable else torch.float32
    if cfg.precision not in DTYPES:
        raise ConfigError(f"precision={cfg.precision} is unknown. Choose fp32 or bf16.")
    return DTYPES[cfg.precision]
