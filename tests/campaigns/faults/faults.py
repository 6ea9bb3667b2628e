"""Faults that disturb a command: kills, full disks, folders that cannot be written, and others.

Each fault is a function of a laboratory, a command, a folder and random numbers. It makes one try,
and raises an AssertionError if something that must hold does not.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil

from tests.campaigns.faults.commands import Command
from tests.campaigns.faults.lab import Lab
from tests.campaigns.faults.processes import LONGEST, Process

Dice = np.random.Generator
NOBODY = 65534
ROOM = 64 * 2**20  # bytes of a disk with room enough
YEAR = 365 * 86_400


def kill(lab: Lab, command: Command, folder: Path, dice: Dice) -> None:
    """SIGKILL, one to three times, before an operation on a file or after a random time."""
    command.begin(lab.inputs, folder)
    for _ in range(dice.integers(1, 4)):
        if kill_somewhere(lab, command, folder, dice).code == 0:
            break
        _check(lab, command, folder)
    _check(lab, command, folder)
    lab.finish(command, folder)


def kill_worker(lab: Lab, command: Command, folder: Path, dice: Dice) -> None:
    """SIGKILL of one or two processes that the command has started, at random times."""
    command.begin(lab.inputs, folder)
    process = lab.start(command, folder)
    seconds = lab.undisturbed(command).seconds
    for _ in range(dice.integers(1, 3)):
        process.wait(dice.uniform(0, seconds))
        workers = [one for one in process.helpers() if _is_worker(one)]
        if workers:
            with suppress(psutil.Error):
                workers[dice.integers(len(workers))].kill()
    assert process.end() == 0, process.told
    _check_ended(process)
    lab.finish(command, folder)


def full_disk(lab: Lab, command: Command, folder: Path, dice: Dice) -> None:
    """A disk of a random size that is too small, and later has room."""
    undisturbed = lab.undisturbed(command)
    with disk(folder, ROOM) as resize:
        command.begin(lab.inputs, folder)
        pages = 2 + (used(folder) + int(dice.uniform(0, 1.2) * undisturbed.size)) // 4096
        resize(f"size={4096 * pages}")
        process = lab.start(command, folder)
        process.end()
        resize(f"size={ROOM}")
        _check(lab, command, folder)
        if process.code:
            lab.check_one_message(process)
        lab.finish(command, folder)


def short_file(lab: Lab, command: Command, folder: Path, dice: Dice) -> None:
    """A random limit of the size of a file, and later none."""
    command.begin(lab.inputs, folder)
    most = max(int(dice.uniform(0, 1.2) * lab.undisturbed(command).largest), 2000)
    process = lab.start(command, folder, largest=most)
    process.end()
    _check(lab, command, folder)
    if process.code:
        lab.check_one_message(process)
    lab.finish(command, folder)


def read_only(lab: Lab, command: Command, folder: Path, dice: Dice) -> None:
    """A folder that cannot be written, by its rights or because its disk is read-only."""
    if os.getuid() or dice.random() < 0.5:
        command.begin(lab.inputs, folder)
        _forbid(folder)
        _check_refused(lab, command, folder, user=None if os.getuid() else NOBODY)
        _forbid(folder, write=True)
        lab.finish(command, folder)
        return
    with disk(folder, ROOM) as remount:
        command.begin(lab.inputs, folder)
        remount("ro")
        _check_refused(lab, command, folder)
        remount("rw")
        lab.finish(command, folder)


def clock(lab: Lab, command: Command, folder: Path, dice: Dice) -> None:
    """A clock that jumps by up to 400 days; a kill; files whose times are years off."""
    command.begin(lab.inputs, folder)
    seeds = [int(seed) for seed in dice.integers(2**31, size=2)]
    kill_somewhere(lab, command, folder, dice, jumps=seeds[0])
    for path in folder.rglob("*"):
        when = time.time() + float(dice.uniform(-9, 9)) * YEAR
        os.utime(path, (when, when), follow_symlinks=False)
    process = lab.start(command, folder, jumps=seeds[1])
    assert process.end() in (0, 2), process.told
    lab.finish(command, folder)


def two_writers(lab: Lab, command: Command, folder: Path, dice: Dice) -> None:
    """The same command twice at the same time."""
    command.begin(lab.inputs, folder)
    first = lab.start(command, folder)
    first.wait(dice.choice([0.0, dice.uniform(0, 0.9) * lab.undisturbed(command).seconds]))
    second = lab.start(command, folder)
    for process in (first, second):
        if process.end():
            lab.check_one_message(process)
    assert 0 in (first.code, second.code), f"none has won: {first.told}{second.told}"
    _check(lab, command, folder)
    assert command.found(folder) == lab.undisturbed(command).after, "other results"
    lab.finish(command, folder)


def kill_somewhere(
    lab: Lab, command: Command, folder: Path, dice: Dice, **conditions: int
) -> Process:
    """Run a command and kill it; it may end before."""
    undisturbed = lab.undisturbed(command)
    if dice.random() < 0.6:
        number = int(dice.integers(1, undisturbed.operations + 1))
        process = lab.start(command, folder, die_at=number, **conditions)
        process.end()
    else:
        process = lab.start(command, folder, **conditions)
        process.wait(dice.uniform(0, undisturbed.seconds))
        process.kill()
    assert process.code in (0, 2, -signal.SIGKILL), process.told
    if process.code == 2:  # a later one, after the result was complete
        assert command.found(folder) == undisturbed.after, process.told
    _check_ended(process)
    return process


def _check(lab: Lab, command: Command, folder: Path) -> None:
    undisturbed = lab.undisturbed(command)
    command.check_whole(folder, [undisturbed.before, undisturbed.after])


def _check_refused(lab: Lab, command: Command, folder: Path, **conditions: int | None) -> None:
    """Check that a command refuses a folder in one message, and changes nothing there."""
    before = sorted(folder.rglob("*"))
    lab.check_one_message(process := lab.start(command, folder, **conditions))
    assert sorted(folder.rglob("*")) == before, process.told
    _check(lab, command, folder)


def _check_ended(process: Process) -> None:
    """Check that the processes that a process has started end soon after it."""
    last = time.monotonic() + LONGEST
    while (left := process.helpers()) and time.monotonic() < last:
        time.sleep(0.02)
    process.sweep()
    assert not left, f"still running: {left}"


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "spawn_main" in " ".join(process.cmdline())
    return False


def _forbid(folder: Path, write: bool = False) -> None:
    """Take away the right to write in a folder and below, or give it back."""
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o755 if write else 0o555) if path.is_dir() else 0o644 if write else 0o444)


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Callable[[str], None]]:
    """Mount a small disk at a folder, and yield what mounts it again with other options."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder)
    try:
        yield lambda options: _mount("-o", f"remount,{options}", folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def can_mount() -> bool:
    """Return True if this user can mount a small disk."""
    if os.getuid() or shutil.which("mount") is None:
        return False
    folder = Path(tempfile.mkdtemp())
    try:
        with disk(folder, 4096):
            return True
    except AssertionError:
        return False
    finally:
        folder.rmdir()


def _mount(*words: object) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def used(folder: Path) -> int:
    """Return the bytes that the disk of a folder holds."""
    return shutil.disk_usage(folder).used
