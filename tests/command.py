"""The command line, called in the process of the tests."""

from typing import Any

from tslm.interfaces.cli.main import main


def command(*words: object) -> Any:
    """Run ``tslm`` with these words, and return its exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return end.code
    return 0
