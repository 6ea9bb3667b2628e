"""Free memory of this machine and of its accelerators, and errors that say there is none."""

import os
from collections.abc import Iterator
from errno import ENOMEM
from pathlib import Path

import torch

CGROUPS = (  # limit, usage and statistics of a container: version 2, then version 1
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
CGROUP_FOLDER, MEMORY_INFO = Path("/sys/fs/cgroup"), Path("/proc/meminfo")
WORDS = ("out of memory", "can't allocate memory", "not enough memory")  # in messages of torch


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that this process can still take on a device; None if unknown.

    On the CPU it is the least of what the machine has, what the limit of a container (cgroup)
    leaves, and what the limit of the process (``ulimit -v``) leaves. On an accelerator it includes
    what torch has reserved and does not use.

    Args:
        device: the CPU or an accelerator.
    """
    if device.type == "cpu":
        return min(_limits(), default=None)
    try:
        free, _ = torch.accelerator.get_memory_info(device)
        reserved = torch.accelerator.memory_reserved(device)
        return int(free + reserved - torch.accelerator.memory_allocated(device))
    except (RuntimeError, NotImplementedError, AttributeError):
        return None  # a device that does not tell


def ran_out(error: BaseException) -> bool:
    """Return True if an error says that memory ran out, on the CPU or on an accelerator."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in WORDS)


def resident_memory() -> int:
    """Return the bytes of main memory that this process takes now; 0 if unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _limits() -> Iterator[int]:
    """Yield the bytes of main memory that each limit leaves."""
    yield from _machine()
    for names in CGROUPS:
        yield from _container(*(CGROUP_FOLDER / name for name in names))
    yield from limit_of_process()


def _machine() -> Iterator[int]:
    """Yield the bytes that the machine can give without swapping."""
    try:
        lines = dict(line.split(":") for line in MEMORY_INFO.read_text().splitlines())
        yield int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        try:  # other systems than Linux
            yield os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError, AttributeError):
            return


def _container(limit: Path, usage: Path, statistics: Path) -> Iterator[int]:
    """Yield the bytes that a container may still take; files in its cache can be dropped."""
    try:
        most, used = int(limit.read_text()), int(usage.read_text())
        stats = dict(line.split() for line in statistics.read_text().splitlines())
        yield max(most - used + int(stats.get("inactive_file", 0)), 0)
    except (OSError, ValueError):  # no container, or "max"
        return


def limit_of_process() -> Iterator[int]:
    """Yield the bytes of addresses that the process may still take."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        used = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):  # Windows, macOS
        return
    if most != resource.RLIM_INFINITY:
        yield max(most - used * os.sysconf("SC_PAGE_SIZE"), 0)
