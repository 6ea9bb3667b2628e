"""Run over the blocks of a data set: each is worked on once, and written by its worker."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tqdm import tqdm

from tslm.core.errors import DataError
from tslm.data.series_blocks import Block, SeriesBlocks
from tslm.distributed.engines import Engine
from tslm.distributed.output_folder import OutputFolder
from tslm.distributed.table_forecaster import Forecasted


class Written(NamedTuple):
    """Counts of a written block.

    Args:
        series: number of series.
        refused: number of series that were refused.
        message: message of the last of them; empty if there is none.
    """

    series: int
    refused: int = 0
    message: str = ""


@dataclass(frozen=True)
class BlockWriter:
    """Worker that forecasts a block and writes the result, so that only counts are sent back.

    Attributes:
        forecaster: what makes forecasts of a table; picklable.
        folder: the folder of the run. All workers see it under the same path.
    """

    forecaster: Callable[..., Forecasted]
    folder: OutputFolder

    def __call__(self, block: Block) -> Written:
        """Forecast a block and write its file."""
        found = self.forecaster(block.table, block.futr, block.static)
        self.folder.write(block, found)
        messages = found.errors.column("message")
        last = str(messages[-1]) if len(messages) else ""
        return Written(block.series, len(messages), last)


def run(
    blocks: SeriesBlocks,
    folder: OutputFolder,
    forecaster: Callable[..., Forecasted],
    engine: Engine,
    *,
    max_errors: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Forecast the blocks that are not in the folder yet, and close the folder.

    Args:
        blocks: blocks of whole series.
        folder: the folder of the run, which this process locks.
        forecaster: what makes forecasts of a table; picklable.
        engine: where the work is done.
        max_errors: number of refused series at which the run ends with an error; None never.
        progress: True shows the number of series.

    Returns:
        The manifest: number of blocks, series and errors, and names of files.

    Raises:
        ConfigError: if another process writes into the folder, or it cannot be written.
        DataError: if more than ``max_errors`` series are refused.
    """
    with folder.lock(), tqdm(unit=" series", disable=not progress) as bar:
        if not blocks.can_be_streamed:
            shutil.rmtree(folder.work, ignore_errors=True)
            with folder.writable():
                blocks = blocks.regrouped(folder.work)
        count = series = 0

        def missing() -> Iterator[Block]:
            nonlocal count, series
            for block in blocks:
                count += 1
                if not folder.is_done(block):
                    yield block
                    continue
                series += block.series
                bar.update(block.series)

        refused = folder.refused()
        for written in engine.map(BlockWriter(forecaster, folder), missing()):
            series += written.series
            bar.update(written.series)
            refused += written.refused
            if written.refused:
                _check_errors(refused, max_errors, written.message)
        shutil.rmtree(folder.work, ignore_errors=True)
        return folder.close(count, series)


def _check_errors(refused: int, most: int | None, last: str) -> None:
    """End a run in which too many series are refused.

    Raises:
        DataError: with the last message.
    """
    if most is not None and refused > most:
        raise DataError(
            f"{refused} series were refused, more than max_errors={most}. The last one: {last}"
        )
