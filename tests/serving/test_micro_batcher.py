"""Jobs of the micro-batcher: which of them share a batch, and what becomes of each."""

import asyncio
import threading

import pytest

from tslm.serving.micro_batcher import MicroBatcher, QueueFullError


def batcher(work, **settings):
    limits = {"requests": 8, "size": 100, "wait": 0.0, "queue": 100} | settings
    return MicroBatcher(work, **limits)


class Doubling:
    """Work that waits for a gate, and remembers its batches."""

    def __init__(self):
        self.gate, self.batches = threading.Event(), []

    def __call__(self, items):
        assert self.gate.wait(10)
        self.batches.append(list(items))
        return [ValueError(item) if item < 0 else 2 * item for item in items]


async def gathered(box, work, items, keys=None, sizes=None):
    """Submit jobs while the first one is worked on."""
    jobs = [
        asyncio.ensure_future(
            box.submit(item, key=(keys or {}).get(item), size=(sizes or {}).get(item, 1))
        )
        for item in items
    ]
    await asyncio.sleep(0.02)
    work.gate.set()
    found = await asyncio.gather(*jobs, return_exceptions=True)
    await box.close()
    return found


def test_jobs_that_arrive_during_a_batch_share_the_next_one():
    async def run():
        work = Doubling()
        assert await gathered(batcher(work), work, [1, 2, 3, 4]) == [2, 4, 6, 8]
        assert work.batches == [[1], [2, 3, 4]] or work.batches == [[1, 2, 3, 4]]

    asyncio.run(run())


def test_a_batch_has_jobs_of_one_key_and_no_more_than_its_limits():
    async def run():
        work = Doubling()
        keys, sizes = {2: "x", 3: "y", 4: "x"}, {5: 80, 6: 30, 7: 500}
        box = batcher(work, requests=3)
        assert await gathered(box, work, range(10), keys, sizes) == [2 * n for n in range(10)]
        assert [2, 4] in work.batches
        assert [7] in work.batches
        assert max(map(len, work.batches)) <= 3
        assert not any({5, 6} <= set(batch) for batch in work.batches)
        assert sorted(job for batch in work.batches for job in batch) == list(range(10))

    asyncio.run(run())


def test_an_error_reaches_its_own_job_only():
    async def run():
        work = Doubling()
        found = await gathered(batcher(work), work, [1, -2, 3])
        assert found[0::2] == [2, 6]
        assert isinstance(found[1], ValueError)

    asyncio.run(run())


def test_work_that_fails_as_a_whole_fails_each_job_and_the_next_batch_works():
    def work(items):
        if "bad" in items:
            raise RuntimeError("broken")
        return items

    async def run():
        box = batcher(work)
        with pytest.raises(RuntimeError, match="broken"):
            await box.submit("bad")
        assert await box.submit("good") == "good"
        await box.close()

    asyncio.run(run())


def test_a_full_queue_refuses_and_says_when_to_come_back():
    async def run():
        work = Doubling()
        box = batcher(work, queue=2)
        jobs = [asyncio.ensure_future(box.submit(1))]
        await asyncio.sleep(0.02)
        jobs += [asyncio.ensure_future(box.submit(n)) for n in (2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError) as full:
            await box.submit(4)
        assert full.value.seconds > 0
        work.gate.set()
        assert await asyncio.gather(*jobs) == [2, 4, 6]
        await box.close()

    asyncio.run(run())


def test_a_cancelled_job_is_not_worked_on():
    async def run():
        work = Doubling()
        box = batcher(work)
        first = asyncio.ensure_future(box.submit(1))
        await asyncio.sleep(0.02)
        second = asyncio.ensure_future(box.submit(2))
        await asyncio.sleep(0.02)
        second.cancel()
        await asyncio.sleep(0)
        assert box.waiting == 0
        work.gate.set()
        assert await first == 2
        await box.close()
        assert work.batches == [[1]]

    asyncio.run(run())


def test_a_job_waits_for_announced_ones_but_not_forever():
    async def run():
        work = Doubling()
        work.gate.set()
        box = batcher(work, wait=5.0)
        with box.announced():
            first = asyncio.ensure_future(box.submit(1))
            await asyncio.sleep(0.02)
            assert not work.batches
            second = asyncio.ensure_future(box.submit(2))
            await asyncio.sleep(0)
        assert await asyncio.gather(first, second) == [2, 4]
        assert work.batches == [[1, 2]]
        box = batcher(work, wait=0.02)
        with box.announced():
            assert await box.submit(3) == 6

    asyncio.run(run())


def test_the_end_finishes_the_jobs_that_wait():
    async def run():
        work = Doubling()
        box = batcher(work, requests=1)
        jobs = [asyncio.ensure_future(box.submit(n)) for n in range(5)]
        await asyncio.sleep(0.02)
        end = asyncio.ensure_future(box.close())
        await asyncio.sleep(0.02)
        work.gate.set()
        await end
        assert await asyncio.gather(*jobs) == [0, 2, 4, 6, 8]

    asyncio.run(run())
