"""Fork server: imports everything once, then makes one process for each order.

It reads a line of JSON for each order from the standard input and answers with a line. ``start``
makes a process and answers with its number. ``poll`` answers with the exit code, or null.
"""

import atexit
import gc
import importlib
import json
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    """Serve orders until the standard input is closed."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import tests.campaigns.faults.warm  # noqa: F401

    gc.freeze()  # so that collections of the copies do not touch what is shared
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            number, status = os.waitpid(order["poll"], os.WNOHANG)
            answer: Any = os.waitstatus_to_exitcode(status) if number else None
        else:
            answer = os.fork()
            if not answer:
                run(order)
        print(json.dumps(answer), file=answers, flush=True)


def run(order: dict[str, Any]) -> NoReturn:
    """Do the work of an order in the new process, and end it."""
    try:
        work(order)
    except SystemExit as end:
        leave(end.code)
    except BaseException:
        traceback.print_exc()
        leave(1)
    leave(0)


def work(order: dict[str, Any]) -> None:
    """Run the function of an order under its conditions, in the new process."""
    os.setsid()
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{order['log']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    if order["jumps"] is not None:
        from tests.campaigns.faults import clock

        clock.jump_about(order["jumps"])
    if order["largest"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"], order["largest"]))
    if order["count"]:
        watch(order["folder"], order["die_at"], Path(f"{order['log']}.count"))
    if order["user"] is not None:
        os.setgid(order["user"])
        os.setuid(order["user"])
    module, _, name = order["function"].partition(":")
    getattr(importlib.import_module(module), name)(order["words"])


def leave(code: object) -> NoReturn:
    """End this process as Python does, but do not take its memory apart, which takes seconds."""
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def watch(folder: str, die_at: int | None, note: Path) -> None:
    """Count operations on files in a folder, and kill this process before one of them.

    Args:
        folder: the folder.
        die_at: number of the operation; None counts only.
        note: file of the count, written at each operation if ``die_at`` is None.
    """
    count = 0
    file = None if die_at is not None else os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def see(event: str, values: tuple[Any, ...]) -> None:
        nonlocal count
        if not (event == "open" or event.startswith(("os.", "fcntl.", "shutil."))) or not values:
            return
        place = values[0]
        if isinstance(place, bytes):
            place = place.decode(errors="replace")
        if event.startswith("fcntl.") or (isinstance(place, str | Path) and _inside(place, folder)):
            count += 1
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if file is not None:
                os.pwrite(file, str(count).encode(), 0)

    sys.addaudithook(see)


def _inside(place: str | Path, folder: str) -> bool:
    return os.path.abspath(place).startswith(f"{folder}/")  # noqa: PTH100  # pathlib is watched


if __name__ == "__main__":
    main()
