"""Servers that are killed, ended or given a new model while clients ask them for forecasts."""

import http.client
import json
import re
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from tests.campaigns.faults.commands import COMMANDS, Inputs
from tests.campaigns.faults.faults import Dice, kill_somewhere
from tests.campaigns.faults.lab import Lab
from tests.campaigns.faults.processes import Process
from tests.frames import random_walks
from tslm.estimators.factory import load_estimator
from tslm.interfaces.cli.main import TERMINATED

SERIES, H, CLIENTS = 6, 3, 4
SECONDS = 60.0  # for the start of a server, and for an answer
RIGHT, CLOSED = "right", "closed"
Forecasts = list[list[float]]


def killed(lab: Lab, folder: Path, dice: Dice) -> None:
    """SIGKILL of a server at a random time, once while it starts in a third of the tries."""
    model = _copied(lab.inputs["old"], folder)
    if dice.random() < 0.3:
        starting = _start(lab, folder, 0)
        starting.wait(dice.uniform(0, 2))
        starting.kill()
    with serving(lab, folder) as (process, port), asking(port, _known(lab.inputs)[:1]) as clients:
        process.wait(dice.uniform(0, 1.5))
        process.kill()
    assert set(clients.seen) <= {RIGHT, CLOSED}, dict(clients.seen)
    with serving(lab, folder, port) as (process, port):
        for number in range(SERIES):
            assert forecast(port, number) == _known(lab.inputs)[0][number]
        process.kill(signal.SIGTERM)
        assert process.end() == TERMINATED, process.told
    assert model.is_dir()


def swapped(lab: Lab, folder: Path, dice: Dice) -> None:
    """Saves over the model of a server, of which some are killed at a random point."""
    _copied(lab.inputs["old"], folder)
    known = _known(lab.inputs)
    save = next(command for command in COMMANDS if command.name == "save")
    with serving(lab, folder) as (process, port):
        with asking(port, known) as clients:
            for _ in range(dice.integers(1, 4)):
                if dice.random() < 0.5:
                    kill_somewhere(lab, save, folder, dice)
                else:
                    assert lab.start(save, folder).end() == 0
                time.sleep(dice.uniform(0, 3))
            assert lab.start(save, folder).end() == 0
            last = time.monotonic() + SECONDS
            while forecast(port, 0) != known[1][0] and time.monotonic() < last:
                time.sleep(0.1)
        assert set(clients.seen) == {RIGHT}, dict(clients.seen)
        assert forecast(port, 1) == known[1][1], "the old model is still served"
        process.kill(signal.SIGTERM)
        assert process.end() == TERMINATED, process.told


def terminated(lab: Lab, folder: Path, dice: Dice) -> None:
    """SIGTERM while requests are received and forecast."""
    _copied(lab.inputs["old"], folder)
    known = _known(lab.inputs)[0]
    with serving(lab, folder) as (process, port):
        accepted = [Accepted(port, number % SERIES) for number in range(dice.integers(1, 12))]
        early = [one for one in accepted if dice.random() < 0.5]
        for one in early:
            one.send_rest()
        time.sleep(dice.choice([0.0, dice.uniform(0, 0.05)]))
        process.kill(signal.SIGTERM)
        time.sleep(dice.uniform(0, 0.5))
        for one in accepted:
            if one not in early:
                one.send_rest()
        for one in accepted:
            assert one.answer() == known[one.number]
        assert process.end() == TERMINATED, process.told


@dataclass
class Clients:
    """Clients that ask for forecasts until they are told to stop.

    Attributes:
        port: port of the server.
        known: right forecasts of each series, of each model.
        seen: number of answers of each kind.
    """

    port: int
    known: list[Forecasts]
    seen: Counter[str] = field(default_factory=Counter)
    stop: Event = field(default_factory=Event)

    def run(self, seed: int) -> None:
        dice = np.random.default_rng(seed)
        while not self.stop.is_set():
            number = int(dice.integers(SERIES))
            try:
                found = forecast(self.port, number)
            except TimeoutError:
                self.seen["no answer"] += 1
            except (OSError, http.client.HTTPException):
                self.seen[CLOSED] += 1
                self.stop.wait(0.05)
            except Exception as error:
                self.seen[f"{type(error).__name__}: {error}"] += 1
            else:
                right = any(found == model[number] for model in self.known)
                self.seen[RIGHT if right else f"wrong: {found}"] += 1


@contextmanager
def asking(port: int, known: list[Forecasts]) -> Iterator[Clients]:
    """Let clients ask until the block ends, and wait for them."""
    clients = Clients(port, known)
    threads = [Thread(target=clients.run, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        clients.stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def serving(lab: Lab, folder: Path, port: int = 0) -> Iterator[tuple[Process, int]]:
    """Start a server of the model in a folder; yield its process and port."""
    process = _start(lab, folder, port)
    try:
        last = time.monotonic() + SECONDS
        while not (line := re.search(r"http://127\.0\.0\.1:(\d+)", process.printed)):
            assert process.wait(0.02) is None, process.told
            assert time.monotonic() < last, process.told
        yield process, int(line[1])
    finally:
        process.sweep()


class Accepted:
    """Request that a server has accepted, and of which half of the body is still to be sent.

    Args:
        port: port of the server.
        number: number of the series.
    """

    def __init__(self, port: int, number: int) -> None:
        self.number = number
        self._body = _body(number)
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        head = f"POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(self._body)}"
        self._socket.sendall(f"{head}\r\nExpect: 100-continue\r\n\r\n".encode())
        found = b""
        while not found.endswith(b"\r\n\r\n"):
            found += (part := self._socket.recv(1))
            assert part, "closed before the request was received"
        assert b" 100 " in found, found
        self._half = len(self._body) // 2
        self._socket.sendall(self._body[: self._half])

    def send_rest(self) -> None:
        """Send the other half."""
        self._socket.sendall(self._body[self._half :])

    def answer(self) -> list[float]:
        """Return the forecast."""
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        found = _values(answer)
        self._socket.close()
        return found


def forecast(port: int, number: int) -> list[float]:
    """Ask a server for the forecast of a series.

    Raises:
        AssertionError: if the status is not 200.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("POST", "/forecast", _body(number))
        return _values(connection.getresponse())
    finally:
        connection.close()


def _values(answer: http.client.HTTPResponse) -> list[float]:
    text = answer.read()
    assert answer.status == 200, f"status {answer.status}: {text.decode()[:200]}"
    columns: dict[str, Any] = json.loads(text)["forecast"]
    return _rounded(list(columns.values())[-1])


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.8g}") for value in values]


def _series(number: int) -> Any:
    return random_walks(40, [f"s{number}"], seed=50 + number)


@cache
def _body(number: int) -> bytes:
    frame = _series(number)
    columns = {"unique_id": list(frame.unique_id), "y": list(frame.y)}
    columns["ds"] = [str(time) for time in frame.ds]
    return json.dumps({"series": columns, "h": H}).encode()


@cache
def _known(inputs: Inputs) -> list[Forecasts]:
    """Return the forecast of each series, by the old and by the new model."""
    models = [load_estimator(inputs[name]) for name in ("old", "new")]
    return [
        [_rounded(model.predict(_series(number), h=H).iloc[:, -1]) for number in range(SERIES)]
        for model in models
    ]


def _copied(model: str, folder: Path) -> Path:
    return Path(shutil.copytree(model, folder / "out"))


def _start(lab: Lab, folder: Path, port: int) -> Process:
    return lab.server.start(["serve", "model=out", f"port={port}"], folder)


ATTEMPTS: list[tuple[Callable[[Lab, Path, Dice], None], str, str]] = [
    (
        killed,
        "kill -9",
        "Requests get the right answer or a closed connection. Started again, it answers.",
    ),
    (
        swapped,
        "save over the model, some killed",
        "Each answer is that of the old model or of the new one. In the end it is the new one.",
    ),
    (terminated, "SIGTERM", "All accepted requests get the right answer. Exit code 143."),
]
