"""Scenes of the campaign: what is disturbed, by what, and what must hold."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.campaigns import killed_ray
from tests.campaigns.faults import faults, network, servers
from tests.campaigns.faults.commands import COMMANDS, Command
from tests.campaigns.faults.faults import Dice
from tests.campaigns.faults.lab import Lab

SAME = "The same command again gives the bits of an undisturbed run"
OLD_OR_NEW = "The old model or the new one, whole"
PROMISES = {
    "fit": f"{SAME}. No half model can be loaded.",
    "fit, a data set": f"{SAME}. No half model can be loaded.",
    "tune": "No trial is lost or made twice; the best one is that of an undisturbed search.",
    "predict, a table": "The whole file, or none.",
    "predict, a Parquet table": "The whole file, or none.",
    "predict, a data set": f"Every file is whole. {SAME}, every series once.",
    "predict, a data set whose rows are mixed": f"Every file is whole. {SAME}, every series once.",
    "predict, a data set with two workers": f"Every file is whole. {SAME}, every series once.",
    "backtest, a data set": f"Every file is whole. {SAME}, errors too.",
    "recalibrate": f"{OLD_OR_NEW}.",
    "save": f"{OLD_OR_NEW}.",
}
REFUSED = "One message and exit code 2."


@dataclass(frozen=True)
class Scene:
    """Scene: one thing that is disturbed in one way.

    Attributes:
        fault: name of the fault.
        subject: what is disturbed.
        promise: what must hold.
        attempt: makes one try; raises an AssertionError if something does not hold.
        weight: number of tries, relative to other scenes.
        absent: returns why it cannot be tried on this machine; empty if it can.
    """

    fault: str
    subject: str
    promise: str
    attempt: Callable[[Lab, Path, Dice], None]
    weight: int = 1
    absent: Callable[[], str] = lambda: ""

    @property
    def name(self) -> str:
        return f"{self.fault}: {self.subject}"


def scenes() -> list[Scene]:
    """Return all scenes."""
    return [*_of_commands(), *_of_servers(), *_of_network(), *_of_ray()]


def _of_commands() -> Iterator[Scene]:
    """Yield the scenes of commands that write files."""
    for command in COMMANDS:
        kept = PROMISES[command.name]
        kills = 2 if command.children else 6
        yield _scene("kill -9", faults.kill, command, kept, kills)
        if command.children:
            yield _scene("kill -9 of a worker", faults.kill_worker, command, kept, 2)
            continue
        yield _scene("full disk", faults.full_disk, command, f"{REFUSED} {kept}", 2, _no_mount)
        yield _scene("limited size of files", faults.short_file, command, f"{REFUSED} {kept}")
        yield _scene("read-only folder", faults.read_only, command, f"{REFUSED} Nothing changes.")
        yield _scene("clock that jumps", faults.clock, command, kept)
        both = f"Each is done, or ends with one message; at least one is done. {kept}"
        yield _scene("two writers", faults.two_writers, command, both, 2)


def _of_servers() -> Iterator[Scene]:
    """Yield the scenes of the server, if what it needs is installed."""
    absent = "" if find_spec("uvicorn") else "the server is not installed: tslm[serve]"
    for attempt, fault, promise in servers.ATTEMPTS:
        yield Scene(fault, "serve", promise, attempt, 6, lambda: absent)


def _of_network() -> Iterator[Scene]:
    """Yield the scenes of commands that need the network."""

    def vanished(name: str) -> Callable[[Lab, Path, Dice], None]:
        return lambda lab, folder, dice: network.vanished(lab, name, folder, dice)

    for name in network.NAMES:
        yield Scene("vanished network", name, network.ONE_MESSAGE, vanished(name), 2)


def _of_ray() -> Iterator[Scene]:
    """Yield the scenes of a Ray cluster, if Ray is installed."""

    def killed(kind: str) -> Callable[[Lab, Path, Dice], None]:
        def attempt(lab: Lab, folder: Path, dice: Dice) -> None:
            folder = lab.folder / "ray"
            if not folder.exists():
                folder.mkdir()
                killed_ray.prepare(folder)
            killed_ray.attempt(kind, folder, random.Random(int(dice.integers(2**31))))

        return attempt

    absent = "" if find_spec("ray") else "Ray is not installed: tslm[ray]"
    for kind in killed_ray.KINDS:
        kept = PROMISES["predict, a data set"]
        fault = f"kill -9 of the {kind}"
        yield Scene(fault, "predict, engine=ray", kept, killed(kind), 1, lambda: absent)


def _scene(
    fault: str,
    attempt: Callable[[Lab, Command, Path, Dice], None],
    command: Command,
    promise: str,
    weight: int = 1,
    absent: Callable[[], str] = lambda: "",
) -> Scene:
    def run(lab: Lab, folder: Path, dice: Dice) -> None:
        attempt(lab, command, folder, dice)

    return Scene(fault, command.name, promise, run, weight, absent)


@cache
def _no_mount() -> str:
    return "" if faults.can_mount() else "small disks can be mounted only by the administrator"
