"""Checks of a saved model before it is built: names, types, sizes and finite numbers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from omegaconf import DictConfig, ListConfig
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from tslm.core.config.choices import GROUPS, node
from tslm.core.errors import DataError
from tslm.core.forecaster import Forecaster
from tslm.estimators.saving.folder import Saved
from tslm.estimators.training.weights import trained_state

LARGEST = 2**20  # steps; larger horizons and contexts are refused. Chosen by hand
SPARE_SIZE = 10_000  # a size may exceed the count of saved numbers by this. Chosen by hand
SPARE, SPARE_NUMBERS = 1000, 2**26  # tensors and numbers that are not saved, at most


def count(value: Any) -> int:
    """Return a saved value that must be a whole number of at least 1.

    Raises:
        DataError: if it is something else.
    """
    if type(value) is not int or value < 1:
        raise DataError(f"The saved model has {value!r} in place of a whole number of 1 or more.")
    return value


def check_parameters(params: Mapping[str, Any], cfg: DictConfig) -> None:
    """Raise if a saved parameter has another type than the setting of the same name.

    Raises:
        DataError: with the name of the parameter.
    """
    for name, value in params.items():
        meant = None if name in GROUPS else cfg.get(name)
        if value is not None and meant is not None and value != meant:
            raise DataError(f"{name}={value!r} is of another type than {meant!r}.")


def check_settings(cfg: DictConfig, saved: Saved) -> None:
    """Raise if an option has another type than in its yaml, or a size is larger than possible.

    Raises:
        DataError: with the name of the option.
    """
    rows = sum(array.size for array in saved.history.values())
    most_numbers = SPARE_SIZE + rows + sum(tensor.numel() for tensor in saved.weights.values())
    sizes = {name: (cfg[name], LARGEST) for name in ("h", "context_length", "season_length")}
    for group in ("adapter", "decoder", "distribution", "base", "rollout", "model"):
        if cfg[group] is not None:
            usual = node(group, cfg.choices[group])
            for name, value in cfg[group].items():
                if not _is_like(value, usual.get(name)):
                    raise DataError(
                        f"{group}.{name}={value} has another type than its default, "
                        f"{usual.get(name)}."
                    )
                if not isinstance(usual.get(name), float):  # a float option can be any whole number
                    sizes[f"{group}.{name}"] = (value, most_numbers)
    for name, (value, most) in sizes.items():
        if isinstance(value, int) and value > most:
            raise DataError(f"{name}={value} is larger than the saved weights allow.")


def _is_like(value: Any, usual: Any) -> bool:
    """Return True if an option has the type of its default in the yaml, or the default is null."""
    types: tuple[Any, ...] = (bool, (int, float), str, ListConfig)
    return value is None or next(
        (isinstance(value, type_) for type_ in types if isinstance(usual, type_)), True
    )


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy saved weights into a model.

    Raises:
        DataError: if a tensor is missing, unknown, has another shape or is not finite.
    """
    for part, module in model.named_modules():
        if isinstance(module, Forecaster):
            dot = f"{part}." if part else ""
            own = {name: t.shape for name, t in weights.items() if name.startswith(dot)}
            module.take_sizes({name.removeprefix(dot): shape for name, shape in own.items()})
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    strange = [name for name, t in weights.items() if wanted.get(name) != t.shape]
    lacking = [name for name in trained_state(model) if name not in weights]
    if strange or lacking:
        raise DataError(
            f"The saved weights do not fit the model: {', '.join((strange + lacking)[:5])}."
        )
    if wild := [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]:
        raise DataError(f"The saved weights hold numbers that are not finite: {', '.join(wild)}.")
    model.load_state_dict(dict(weights), strict=False)


@contextmanager
def no_larger(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Raise inside a ``with`` block if modules allocate far more than the saved weights.

    Raises:
        DataError: as soon as there are too many tensors, or they are too large.
    """
    me, tensors, numbers = get_ident(), 4 * len(weights) + SPARE, 0
    most = 4 * sum(tensor.numel() for tensor in weights.values()) + SPARE_NUMBERS

    def watch(_: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal tensors, numbers
        if tensor is None or get_ident() != me:
            return
        tensors, numbers = tensors - 1, numbers + tensor.numel()
        if not tensors or numbers > most:
            raise DataError(
                "The saved settings describe a larger model than the saved weights. Save the model "
                "again."
            )

    hooks = (
        register_module_parameter_registration_hook(watch),
        register_module_buffer_registration_hook(watch),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
