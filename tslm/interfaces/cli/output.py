"""Printing of the command line: results, warnings, download progress, and silence."""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path


def reporter(out: object, quiet: bool) -> Callable[[str], None]:
    """Return the function that prints a verb's messages.

    Args:
        out: the setting ``out``. If it is ``-`` the result goes to the standard output, so messages
            go to the standard error.
        quiet: True if ``-q`` was given; nothing is printed then.
    """
    if quiet:
        return _print_nothing
    return _print_error if out == "-" else print


def _print_nothing(text: str) -> None:
    """Ignore a message."""


def _print_error(text: str) -> None:
    print(text, file=sys.stderr)


def show_warnings() -> None:
    """Print each warning as one line, and download progress as it happens."""

    def show(message: object, *_: object, **__: object) -> None:
        print(f"tslm: {message}", file=sys.stderr)

    warnings.showwarning = show
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", UserWarning)
    show_progress()


def silence_other_processes() -> None:
    """Let only the first of several training processes print; all of them still print errors."""
    from tslm.core.hardware import is_first

    if not is_first():
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until the end
        warnings.simplefilter("ignore")


def show_progress() -> None:
    """Print the log messages of tslm, such as download progress, to the standard error."""
    import logging

    logging.basicConfig(format="tslm: %(message)s", stream=sys.stderr)
    logging.getLogger("tslm").setLevel(logging.INFO)
