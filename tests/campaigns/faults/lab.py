"""Laboratory of the campaign: inputs, a fork server, and the undisturbed run of each command."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns.faults.commands import Command, Digests, Inputs
from tests.campaigns.faults.processes import ForkServer, Process
from tslm.core.atomic_write import NEW

BESIDE = "validation windows|^tslm: downloading"  # lines that are no message of an error


@dataclass(frozen=True)
class Undisturbed:
    """Undisturbed run of a command.

    Attributes:
        before: the files before it.
        after: the files after it.
        seconds: its duration.
        operations: number of its operations on files.
        largest: bytes of its largest file.
        size: bytes of all of its files.
    """

    before: Digests
    after: Digests
    seconds: float
    operations: int
    largest: int
    size: int


@dataclass
class Lab:
    """Place of the tries.

    Attributes:
        folder: an empty folder for everything.
        inputs: the files that commands read.
        server: what starts processes.
    """

    folder: Path
    inputs: Inputs
    server: ForkServer
    _known: dict[str, Undisturbed] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator["Lab"]:
        """Make the inputs in a folder, and start the fork server."""
        for name in ("logs", "inputs", "home"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        apart = {"TSLM_CACHE": str(folder / "cache"), "HOME": str(folder / "home")}
        server = ForkServer(folder / "logs", **apart, TSLM_OFFLINE="1", TSLM_CONF="")
        inputs = Inputs.made(folder / "inputs")
        with server:
            yield cls(folder, inputs, server)

    @contextmanager
    def bench(self, name: str = "try") -> Iterator[Path]:
        """Yield the path of a new folder for a try; remove it at the end."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def start(self, command: Command, folder: Path, **conditions: Any) -> Process:
        """Start a command in a folder."""
        words = command.words(self.inputs)
        return self.server.start(words, folder, function=command.function, **conditions)

    def undisturbed(self, command: Command) -> Undisturbed:
        """Return the undisturbed run of a command, which is made once."""
        if command.name not in self._known:
            with self.bench("undisturbed") as folder:
                command.begin(self.inputs, folder)
                before = command.found(folder)
                began = time.monotonic()
                process = self.start(command, folder, count=True)
                assert process.end() == 0, process.told
                seconds = time.monotonic() - began
                sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
                self._known[command.name] = Undisturbed(
                    before,
                    command.found(folder),
                    seconds,
                    process.operations,
                    max(sizes),
                    sum(sizes),
                )
        return self._known[command.name]

    def finish(self, command: Command, folder: Path) -> None:
        """Run a command a minute later, and check that the result is that of an undisturbed run.

        Raises:
            AssertionError: if it is not, or a draft is left over.
        """
        undisturbed = self.undisturbed(command)
        for draft in folder.glob(".*"):  # those without a lock are removed if they are old
            os.utime(draft, (time.time() - 2 * NEW,) * 2)
        process = self.start(command, folder)
        code = process.end()
        if command.found(folder) != undisturbed.after or code != 2:
            assert code == 0, f"the same command ended with {code}\n{process.told}"
        found = command.found(folder)
        assert found == undisturbed.after, f"other results: {different(found, undisturbed.after)}"
        left = [path.name for path in (*folder.glob(".*"), *folder.rglob(".worker-*"))]
        assert not left, f"left over: {', '.join(left)}"

    def check_one_message(self, process: Process) -> None:
        """Check that a process ended with code 2 and told one line.

        Raises:
            AssertionError: with what it told.
        """
        code = process.end()
        lines = [line for line in process.told.splitlines() if not re.search(BESIDE, line)]
        assert code == 2, f"code {code}: {process.told[-1500:]}"
        assert len(lines) == 1, f"{len(lines)} lines: {process.told[-1500:]}"
        assert lines[0].startswith("tslm: "), lines[0]


def different(found: Digests, expected: Digests) -> str:
    """Return the names of files that differ."""
    names = {*found, *expected}
    return ", ".join(sorted(name for name in names if found.get(name) != expected.get(name)))
