"""Functions that processes of the campaign run: each takes words, as the command line does."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def command(words: list[str]) -> None:
    """Run ``tslm`` with these words."""
    from tslm.interfaces.cli.main import main

    main(words)


def command_with_hub(words: list[str]) -> None:
    """Run ``tslm`` with the words after the first one, which is the address of the hub."""
    from huggingface_hub import constants

    constants.ENDPOINT, constants.HF_HUB_OFFLINE = words[0], False
    command(words[1:])


def save(words: list[str]) -> None:
    """Load the model of the first folder, and save it in place of that of the second one."""
    from tslm.estimators.factory import load_estimator

    with _one_message():
        load_estimator(words[0]).save(words[1], overwrite=True)


def predict_data_set(words: list[str]) -> None:
    """Forecast a data set in small blocks: model, data, out, engine, workers, rows."""
    from tslm.distributed import predict

    _in_blocks(predict, words)


def backtest_data_set(words: list[str]) -> None:
    """Backtest a data set in small blocks; words as for ``predict_data_set``."""
    from tslm.distributed import backtest

    _in_blocks(backtest, words)


def _in_blocks(function: Callable[..., object], words: list[str]) -> None:
    *places, engine, workers, rows = words
    options = {"engine": engine, "workers": int(workers), "rows": int(rows), "progress": False}
    with _one_message():
        function(*places, **options)


@contextmanager
def _one_message() -> Iterator[None]:
    """End with code 2 and one line after an error of tslm, as the command line does."""
    from tslm.core.errors import TslmError

    try:
        yield
    except TslmError as error:
        print(f"tslm: {error}", file=sys.stderr)
        sys.exit(2)
