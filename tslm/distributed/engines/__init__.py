"""Places of work for the blocks of a data set: this process, processes of this machine, Ray."""

from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice
from tslm.core.plain_values import positive
from tslm.distributed.engines.engine import Engine as Engine
from tslm.distributed.engines.local import LocalEngine
from tslm.distributed.engines.ray import RayEngine

ENGINES = ("local", "ray")


def engine_of(
    name: str,
    workers: int = 1,
    *,
    threads: int | None = None,
    address: str | None = None,
    device: str | None = None,
) -> Engine:
    """Return an engine by its name.

    Args:
        name: "local" works in this process, or in ``workers`` of it; "ray" in actors of Ray.
        workers: number of processes or actors.
        threads: number of threads of each; None is 1 for an actor, and divides the threads of this
            process among its processes.
        address: address of a running Ray cluster; None takes the one to which this process is
            connected or ``RAY_ADDRESS`` names, and else starts one on this machine.
        device: device of the model; actors take a GPU unless it is "cpu".

    Raises:
        ConfigError: if there is no such engine, a number is not positive, or ``address`` is given
            without Ray.
    """
    check_choice("engine", name, ENGINES)
    workers = positive("workers", workers)
    threads = None if threads is None else positive("threads", threads)
    if name == "ray":
        return RayEngine(workers, threads or 1, address, gpu=device != "cpu")
    if address is not None:
        raise ConfigError(f"address={address} needs engine=ray.")
    return LocalEngine(workers, threads)
