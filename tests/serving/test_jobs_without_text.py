"""The micro-batcher never writes a job as text: tables are large, and their texts slow."""

import asyncio

from tslm.serving.micro_batcher import MicroBatcher


class Table:
    def __repr__(self) -> str:
        raise AssertionError("a table was written as text")


def test_jobs_are_finished_without_a_text_of_their_content() -> None:
    async def ask() -> list[Table]:
        batcher = MicroBatcher[Table, Table](list, requests=2, size=9, wait=0.0, queue=9)
        found = await asyncio.gather(*(batcher.submit(Table()) for _ in range(5)))
        await batcher.close()
        return found

    assert len(asyncio.run(ask())) == 5
