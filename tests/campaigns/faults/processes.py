"""Processes of the campaign: started from a fork server, watched, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import psutil

ROOT = Path(__file__).parents[3]
LONGEST = 300.0  # seconds until a process counts as one that hangs
COMMAND = "tests.campaigns.faults.jobs:command"


@dataclass
class Process:
    """Process that was started. It is the leader of a group of its own.

    Attributes:
        server: its parent.
        number: number of the process.
        log: path of its output, without the ending.
        code: exit code, negative for a signal; None while it runs.
    """

    server: "ForkServer"
    number: int
    log: Path
    code: int | None = None

    def wait(self, seconds: float = LONGEST) -> int | None:
        """Wait for the end, at most so many seconds, and return the exit code."""
        end = time.monotonic() + seconds
        while self.code is None:
            self.code = self.server.ask(poll=self.number)
            if self.code is None:
                if time.monotonic() > end:
                    break
                time.sleep(min(0.01, max(end - time.monotonic(), 0.001)))
        return self.code

    def end(self) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            AssertionError: if the process hangs.
        """
        code = self.wait()
        if code is None:
            self.kill()
            raise AssertionError(f"a process still ran after {LONGEST:.0f} s\n{self.told}")
        return code

    def kill(self, by: int = signal.SIGKILL) -> None:
        """Send a signal, and wait for the end after SIGKILL."""
        with suppress(ProcessLookupError):
            os.kill(self.number, by)
        if by == signal.SIGKILL:
            self.wait()

    def helpers(self) -> list[psutil.Process]:
        """Return the running processes of its group, without itself."""
        found = []
        for one in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if one.pid != self.number and os.getsid(one.pid) == self.number:
                    found.append(one)
        return found

    def sweep(self) -> None:
        """Kill what is left of its group."""
        for one in self.helpers():
            with suppress(psutil.Error):
                one.kill()
        if self.code is None:
            self.kill()

    @property
    def printed(self) -> str:
        """Return its standard output."""
        return self._read("out")

    @property
    def told(self) -> str:
        """Return its standard error."""
        return self._read("err")

    @property
    def operations(self) -> int:
        """Return the number of operations on files, of a process that counts them."""
        return int(self._read("count") or 0)

    def _read(self, ending: str) -> str:
        path = self.log.with_suffix(f".{ending}")
        return path.read_text(errors="replace") if path.exists() else ""


class ForkServer:
    """Process that has imported tslm and makes a copy of itself for each process of a try.

    Args:
        logs: folder for the output of the processes.
        environment: variables of all processes.
    """

    def __init__(self, logs: Path, **environment: str) -> None:
        self._logs, self._count, self._lock = logs, 0, Lock()
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaigns.faults.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
            text=True,
        )

    def __enter__(self) -> "ForkServer":
        assert self._line() == "ready", "the fork server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(
        self,
        words: list[str],
        folder: Path,
        *,
        function: str = COMMAND,
        count: bool = False,
        die_at: int | None = None,
        largest: int | None = None,
        user: int | None = None,
        jumps: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> Process:
        """Start a process.

        Args:
            words: the words after ``tslm``, or those of another function.
            folder: its working folder.
            function: ``MODULE:NAME`` of a function of the words.
            count: True counts its operations on files of the folder.
            die_at: number of the operation before which it is killed.
            largest: bytes of the largest file that it can write.
            user: number of the user that it runs as.
            jumps: seed of the jumps of its clock; None: the clock is right.
            environment: further variables.
        """
        self._count += 1
        log = self._logs / f"{self._count:05d}"
        options = {"die_at": die_at, "largest": largest, "user": user, "jumps": jumps}
        options |= {"count": count or die_at is not None, "environment": environment or {}}
        number = self.ask(
            function=function, words=words, folder=str(folder), log=str(log), **options
        )
        return Process(self, number, log)

    def ask(self, **order: Any) -> Any:
        """Send an order and return the answer."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the fork server has ended"
        return line
