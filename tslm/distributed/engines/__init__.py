"""Places of work for the blocks of a data set: this process, processes of this machine, Ray."""

from tslm.core.messages import check_choice
from tslm.core.plain_values import positive
from tslm.distributed.engines.engine import Engine as Engine
from tslm.distributed.engines.local import LocalEngine

ENGINES = ("local",)


def engine_of(name: str, workers: int = 1) -> Engine:
    """Return an engine by its name.

    Args:
        name: "local" works in this process, or in ``workers`` of it.
        workers: number of processes.

    Raises:
        ConfigError: if there is no such engine, or ``workers`` is no positive whole number.
    """
    check_choice("engine", name, ENGINES)
    return LocalEngine(positive("workers", workers))
