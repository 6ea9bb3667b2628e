"""Build a forecast model from settings and a task."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig

from tslm.core.calendar import Calendar
from tslm.core.config.build import build, part_class, plain_options
from tslm.core.config.choices import CHOICES, choice, control, node
from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.hardware import Machine
from tslm.core.types import Facts, Task
from tslm.models.adapters.base import Adapter
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.controls import scrambled_weights
from tslm.models.backbones.controls.reference import Reference
from tslm.models.backbones.freezing import Strict
from tslm.models.backbones.loading import load, number_of_blocks
from tslm.models.decoders.base import Decoder
from tslm.models.decoders.segment import SegmentDecoder
from tslm.models.depth_search import AUTO, DepthSearch, candidates
from tslm.models.forecast_model import ForecastModel
from tslm.models.lexicon import Lexicon, SwitchedLexicon
from tslm.models.mix.forecaster import Mix
from tslm.models.residual_model import ResidualModel
from tslm.models.rollouts.base import Rollout
from tslm.uncertainty.distributions.quantile import QuantileFamily

DEFAULT = "smollm2-135m"  # language model that a control replaces if none is named
ANY: AbstractContextManager[None] = nullcontext()  # does not watch the size of tensors
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def settle(cfg: DictConfig, facts: Facts) -> DictConfig:
    """Fill in sizes that are None, in a copy, with those the part suggests for these data.

    A mix that is neither trained nor pretrained has no adapter. If its decoder cannot forecast
    quantiles, it forecasts a mixture.

    Raises:
        ConfigError: if ``max_steps`` is 0, there is no mix and nothing is pretrained.
    """
    cfg = cfg.copy()
    if mixes(cfg):
        _set_distribution_of_mix(cfg)
        cfg.base.adapter = cfg.base.adapter and (cfg.max_steps > 0 or cfg.pretrained is not None)
        if not cfg.futr_exog or cfg.multivariate == "tokens":
            cfg.base.covariate_members = []
    elif cfg.max_steps == 0 and cfg.pretrained is None:
        rules = ", base=auto to forecast by classical rules alone"
        hint = "" if cfg.model else f"{rules}, or pretrained=FOLDER to use its adapter untrained"
        raise ConfigError(f"max_steps=0 must be at least 1. Set max_steps=1 or more{hint}.")
    part = cfg.adapter if cfg.model is None else cfg.model
    sizes = part_class(part).suggest(facts, cfg.context_length, dict(part))
    cfg.context_length = sizes.context_length
    for name, value in sizes.options.items():
        part[name] = value
    return cfg


def task_of(cfg: DictConfig, season_length: int, calendar: Calendar) -> Task:
    """Collect the settings and facts of the frame that all parts need."""
    return Task(
        context_length=cfg.context_length,
        horizon=cfg.h,
        season_length=season_length,
        freq=calendar.freq,
        dated=calendar.dated,
        tz=calendar.tz,
        description=cfg.prompt or "",
    )


def forecaster_of(cfg: DictConfig, task: Task, **options: Any) -> Forecaster:
    """Build the forecast model of the settings, or a mix of local rules and that model.

    Args:
        cfg: settings after ``settle``.
        task: lengths, season and frequency.
        options: further arguments of ``assemble``.
    """
    make = depth_search if cfg.n_layers == AUTO else assemble
    if not mixes(cfg):
        return make(cfg, task, **options)
    trained = make(cfg, task, **options) if cfg.base.adapter else None
    made: Mix = build(cfg.base, task=task, trained=trained)
    return made


def mixes(cfg: DictConfig) -> bool:
    """Return True if the base is a mix, of which the forecast model is a member."""
    return cfg.base is not None and issubclass(part_class(cfg.base), Mix)


def reads_covariates(cfg: DictConfig) -> bool:
    """Return True if the baseline, or a member of the mix, reads covariates itself.

    Args:
        cfg: settings after ``settle``.
    """
    parts = [] if cfg.model is None else [cfg.model]
    if mixes(cfg):
        names = [*cfg.base.members, *cfg.base.covariate_members]
        parts = [node("model", choice("model", str(name))) for name in names]
    return any(part_class(part).reads_covariates for part in parts)


def _set_distribution_of_mix(cfg: DictConfig) -> None:
    """Take a mixture in place of quantiles, if the decoder has no quantiles."""
    families, family = part_class(cfg.decoder).families, part_class(cfg.distribution)
    if issubclass(family, QuantileFamily) and not issubclass(family, families):
        cfg.distribution = node("distribution", "mixture")
        cfg[CHOICES].distribution = "mixture"


def steps_of_pass(cfg: DictConfig) -> int:
    """Return the steps of one pass of the forecast model, from settings after ``settle``."""
    if not issubclass(part_class(cfg.decoder), SegmentDecoder):
        return int(cfg.h)
    size, options = int(cfg.adapter.patch_len), plain_options(cfg.rollout)
    return size * int(part_class(cfg.rollout).segments_of(cfg.h, size, **options))


def assemble(
    cfg: DictConfig,
    task: Task,
    *,
    device: torch.device | None = None,
    download: bool = True,
    sizes: AbstractContextManager[None] = ANY,
) -> ForecastModel:
    """Load the backbone, and build the adapter, the decoder and the base that is corrected.

    Args:
        cfg: settings after ``settle``.
        task: lengths, season and frequency.
        device: device of the backbone; None follows ``cfg``.
        download: True if weights may be downloaded.
        sizes: context in which the other parts are built; it can refuse large tensors.
    """
    backbone = body_of(cfg, device, download=download)
    with sizes:
        return _joined(cfg, task, backbone, backbone.lexicon)


def depth_search(
    cfg: DictConfig,
    task: Task,
    *,
    device: torch.device | None = None,
    download: bool = True,
    sizes: AbstractContextManager[None] = ANY,
) -> DepthSearch:
    """Build the models of all candidate depths, for ``n_layers="auto"``.

    Args:
        cfg: settings after ``settle``.
        task: lengths, season and frequency.
        device: as in ``assemble``.
        download: as in ``assemble``.
        sizes: as in ``assemble``.

    Raises:
        ConfigError: if the backbone is a control, or some of its weights are trained.
    """
    _check_searched(cfg)
    depths = candidates(number_of_blocks(cfg.backbone, download=download))
    cut = partial(_body_at, cfg, device, download)
    whole = cut(depths[-1])
    lexicon = SwitchedLexicon(whole.lexicon)
    with sizes:
        deepest = _joined(cfg, task, whole, lexicon)
        decoders = {n: _decoder(cfg, task, whole.width, deepest.adapter) for n in depths[:-1]}
    for decoder in decoders.values():
        if deepest.base is not None:
            decoder.start_at_zero()
    return DepthSearch(deepest, decoders, cut, lexicon)


def _check_searched(cfg: DictConfig) -> None:
    """Refuse to choose the depth of a backbone that cannot be cut after training.

    Raises:
        ConfigError: naming the setting to change.
    """
    kind = cfg.backbone.partition(":")[0]
    if control(kind) is not None:
        raise ConfigError(
            f"n_layers=auto chooses the depth of a pretrained backbone, and backbone={cfg.backbone}"
            " is a control in its place. Set a number of blocks, such as n_layers=2."
        )
    if not isinstance(build(cfg.freeze), Strict):
        raise ConfigError(
            f"n_layers=auto needs a frozen backbone, and freeze={cfg[CHOICES].freeze} trains some "
            "of its weights. Set freeze=strict, or a number of blocks, such as n_layers=2."
        )


def _body_at(cfg: DictConfig, device: torch.device | None, download: bool, depth: int) -> Backbone:
    """Load the backbone of the settings at another depth."""
    cfg = cfg.copy()
    cfg.n_layers = depth
    return body_of(cfg, device, download=download)


def _joined(cfg: DictConfig, task: Task, backbone: Backbone, lexicon: Lexicon) -> ForecastModel:
    """Build the adapter, the decoder and the base, and join them with a backbone."""
    adapter = build(cfg.adapter, lexicon=lexicon, task=task)
    decoder = _decoder(cfg, task, backbone.width, adapter)
    one_pass = replace(task, horizon=decoder.step)
    base = None if cfg.base is None or mixes(cfg) else build(cfg.base, task=one_pass)
    rollout = rollout_of(cfg.rollout, backbone, adapter, task)
    parts = {"adapter": adapter, "backbone": backbone, "decoder": decoder, "rollout": rollout}
    parts["multivariate"] = cfg.multivariate
    return ForecastModel(**parts) if base is None else ResidualModel(base=base, **parts)


def rollout_of(cfg: DictConfig, backbone: Backbone, adapter: Adapter, task: Task) -> Rollout:
    """Build a roll-out for two parts: the node ``rollout`` of settings, or of its yaml."""
    made: Rollout = build(cfg, width=backbone.width, layout=adapter.layout, task=task)
    return made


def _decoder(cfg: DictConfig, task: Task, width: int, adapter: Adapter) -> Decoder:
    """Build a decoder for the tokens of an adapter."""
    parts = {"layout": adapter.layout, "task": task, "family": build(cfg.distribution)}
    made: Decoder = build(cfg.decoder, width=width, **parts)
    return made


def rehearse(cfg: DictConfig) -> None:
    """Build a model with backbone ``tiny`` to check settings, without data or weights.

    Raises:
        ConfigError: if a part refuses its options, or parts do not fit together.
    """
    if cfg.model is None and cfg.n_layers == AUTO:
        _check_searched(cfg)
    season = cfg.season_length or 1
    cfg = settle(cfg, Facts(cfg.h, season, 100 * cfg.h))
    cfg.backbone, cfg.n_layers = "tiny", None
    task = Task(cfg.context_length, cfg.h, season, description=cfg.prompt or "")
    build(cfg.trainer, learning_rate=cfg.learning_rate or 1e-3, steps=cfg.max_steps)
    if cfg.model is None:
        forecaster_of(cfg, task, download=False)
    else:
        baseline(cfg.model, task)


def body_of(
    cfg: DictConfig, device: torch.device | None = None, *, download: bool = True
) -> Backbone:
    """Load the language model, or the control ``KIND``, ``KIND:NAME`` or ``KIND:NAME:SEED``.

    Raises:
        ConfigError: if ``n_layers`` is auto.
    """
    freeze = build(cfg.freeze)
    device = device or device_of(cfg)
    dtype = dtype_of(cfg, device)
    kind, _, rest = cfg.backbone.partition(":")
    card = control(kind)
    if cfg.n_layers == AUTO:
        raise ConfigError(
            "n_layers=auto is chosen by the fit of a forecaster. Here, set a number of blocks, "
            "such as n_layers=2, or all."
        )
    if card is None:
        return load(cfg.backbone, cfg.n_layers, dtype, device, freeze=freeze, download=download)
    name, _, seed = rest.rpartition(":") if rest.rpartition(":")[2].isdigit() else (rest, "", "0")
    reference = Reference(name or DEFAULT, cfg.n_layers, dtype, download, device)
    made: Backbone = build(
        card, reference=reference, seed=int(seed), freeze=freeze, name=cfg.backbone
    )
    return made


def architecture_of(backbone: str) -> str:
    """Return the backbone whose architecture another one has: itself, but for changed weights."""
    kind, _, rest = backbone.partition(":")
    card = control(kind)
    if card is None or not card._target_.startswith(scrambled_weights.__name__):
        return backbone
    name, _, seed = rest.rpartition(":")
    return (name if seed.isdigit() else rest) or DEFAULT


def baseline(cfg: DictConfig, task: Task) -> Forecaster:
    """Build a baseline: the node ``model`` of settings after ``settle``."""
    return build(cfg, task=task)


def rule(name: str, task: Task) -> Forecaster:
    """Build a baseline that needs no training, with the options of its yaml."""
    return baseline(node("model", name), task)


def name_of(dtype: torch.dtype) -> str:
    """Return the setting ``precision`` of a dtype."""
    return next(name for name, known in DTYPES.items() if known == dtype)


def device_of(cfg: DictConfig) -> torch.device:
    """Return the device of the settings; the CPU if this computer does not have it."""
    try:
        return Machine.of(cfg).device
    except ConfigError:
        return torch.device("cpu")


def device_named(name: str | torch.device) -> torch.device:
    """Return a device of this computer by its name.

    Raises:
        ConfigError: if there is no such device.
    """
    try:
        return torch.empty(0, device=name).device  # "cuda" becomes "cuda:0"
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device={str(name)!r} is not a device of this computer: {str(error).splitlines()[0]} "
            "Use device='cpu', or 'cuda:0' and the like where there is one."
        ) from error


def dtype_of(cfg: DictConfig, device: torch.device) -> torch.dtype:
    """Return the precision of a frozen backbone; by default bf16 if the device supports it."""
    if cfg.precision is None:
        capable = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if capable else torch.float32
    if cfg.precision not in DTYPES:
        raise ConfigError(f"precision={cfg.precision} is unknown. Choose fp32 or bf16.")
    return DTYPES[cfg.precision]
