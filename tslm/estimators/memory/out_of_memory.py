"""Message on memory that ran out, with settings that need less."""

from collections.abc import Iterator
from contextlib import contextmanager

from omegaconf import DictConfig

from tslm.core.errors import ConfigError
from tslm.core.memory import ran_out
from tslm.models.backbones.weights.catalog import cards
from tslm.models.depth_search import AUTO, candidates


@contextmanager
def fit_within_memory(cfg: DictConfig) -> Iterator[None]:
    """Replace errors on memory in a fit by one message with settings to change.

    Args:
        cfg: settings after ``settle``.

    Raises:
        ConfigError: if memory ran out.
    """
    n_layers = blocks_in_use(cfg)
    halves = {"batch_size": cfg.batch_size, "n_layers": n_layers}
    halves |= {"context_length": cfg.context_length}
    advice = [f"{name}={n // 2} instead of {n}" for name, n in halves.items() if n and n > 1]
    if cfg.precision != "bf16" and n_layers:
        advice.append("precision=bf16")
    advice.append("batch_size=auto to take what fits")
    with _explained("fit", advice):
        yield


@contextmanager
def predict_within_memory(horizon: int, series: int, columns: int) -> Iterator[None]:
    """Replace errors on memory in a forecast by one message with arguments to change.

    Args:
        horizon: steps that are forecast.
        series: series that are forecast.
        columns: quantiles and sample paths that are asked for.

    Raises:
        ConfigError: if memory ran out.
    """
    advice = []
    if series > 1:
        advice.append(f"{series // 2} series instead of {series} in each call, by ids= or df=")
    if horizon > 1:
        advice.append(f"h={horizon // 2} instead of {horizon}")
    if columns > 1:
        advice.append(f"{columns // 2} quantiles or samples instead of {columns}")
    advice += ["engine=local on the command line", "device='cpu' in load"]
    with _explained("predict", advice):
        yield


def blocks_in_use(cfg: DictConfig) -> int | None:
    """Return the number of blocks of the backbone; None if there is none, or it is not known."""
    if cfg.model is not None or isinstance(cfg.n_layers, int):
        return None if cfg.model is not None else int(cfg.n_layers)
    card = cards().get(cfg.backbone)
    if card is None:
        return None
    blocks = int(card.config["num_hidden_layers"])
    return {"all": blocks, AUTO: candidates(blocks)[-1]}.get(cfg.n_layers, card.n_layers)


@contextmanager
def _explained(verb: str, advice: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        settings = "; ".join(advice[:3])
        raise ConfigError(
            f"{verb} ran out of memory. Set one or more of these: {settings}. estimate_memory() "
            f"tells what each needs. ({reason})"
        ) from error
