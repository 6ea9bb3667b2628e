"""Load test of the forecast server: latency, throughput, and clients that misbehave.

    python docs/benchmarks/serving_load.py                     # about ten minutes
    python docs/benchmarks/serving_load.py --seconds 2 --rounds 1 --models seasonal_naive

Each model is served by two processes, with and without batches, which are measured in turn. Each
client has a series of its own and one connection, and asks again as soon as it has an answer. All
answers are compared with those of ``predict``. The clients share the machine with the server.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tslm import BaselineForecaster, TSLMForecaster
from tslm.data.datasets.benchmarks import load

H = 96
ROWS = 720, 240  # of the longest and the shortest series: 30 and 10 days
KINDS = {"batches": [], "one at a time": ["batch_requests=1"]}
PATIENCE = 60  # seconds until an answer counts as lost


@dataclass
class Server:
    """A server in a process of its own.

    Attributes:
        process: the process.
        port: its port.
    """

    process: subprocess.Popen[str]
    port: int


@dataclass
class Question:
    """A request, and the forecast of ``predict``."""

    request: bytes
    expected: list[float]


@dataclass
class Tally:
    """Answers of one measurement.

    Attributes:
        seconds: time of each good answer.
        wrong: answers with other values than ``predict``.
        refused: answers with another status than 200, and broken connections.
        span: duration of the measurement.
    """

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    refused: int = 0
    span: float = 0.0


def saved_models(folder: Path, wanted: list[str]) -> dict[str, Path]:
    """Fit the models on a year of ETTh1, and save them."""
    frame = load("etth1").frame
    frame = frame[frame.groupby("unique_id").cumcount() < 24 * 365]
    made = {
        "autotimes": TSLMForecaster(
            h=H, base=None, n_layers=2, max_steps=30, random_state=0, verbose=0
        ),
        "seasonal_naive": BaselineForecaster("seasonal_naive", h=H, verbose=0),
    }
    for name in wanted:
        made[name].fit(frame).save(folder / name)
    return {name: folder / name for name in wanted}


def questions(path: Path, number: int) -> list[Question]:
    """Return requests with one series each, and what ``predict`` returns for them."""
    frame = load("etth1").frame
    frame = frame[frame.unique_id == "OT"].sort_values("ds")
    kind = BaselineForecaster if path.name == "seasonal_naive" else TSLMForecaster
    model = kind.load(path)
    found = []
    for client, rows in enumerate(np.linspace(*ROWS, number).astype(int)):
        part = frame.iloc[9000 + 7 * client :][:rows]
        series = part.assign(unique_id=f"client-{client}")
        columns = {
            "unique_id": series.unique_id.tolist(),
            "ds": series.ds.astype(str).tolist(),
            "y": series.y.tolist(),
        }
        body = json.dumps({"series": columns, "h": H, "level": [80]}).encode()
        expected = model.predict(series, level=[80])[f"{model.name}-hi-80"].tolist()
        found.append(Question(posted(body), expected))
    return found


def posted(body: bytes, length: int | None = None) -> bytes:
    """Return a request with a JSON body, whose length may be declared wrongly."""
    head = (
        "POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nContent-Length: {length or len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def serving(path: Path, words: list[str]) -> Iterator[Server]:
    """Serve a model at a free port until the end of the block."""
    command = [sys.executable, "-m", "tslm", "serve", f"model={path}", "port=0", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("TSLM_SERVE_TOKEN", None)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        found = re.search(r"http://[\w.]+:(\d+)", said)
        assert found, f"{' '.join(command)} says {said!r}"
        yield Server(process, int(found[1]))
    finally:
        process.kill()
        process.wait()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer: its status and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


@asynccontextmanager
async def connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def agrees(body: bytes, question: Question) -> bool:
    """Compare an answer with ``predict``, to 1e-5 of its size."""
    columns = json.loads(body)["forecast"]
    (name,) = [name for name in columns if name.endswith("-hi-80")]
    return bool(np.allclose(columns[name], question.expected, rtol=1e-5, atol=1e-5))


async def client(port: int, question: Question, until: float, tally: Tally) -> None:
    """Ask again and again until a time of the clock of the loop."""
    clock = asyncio.get_running_loop().time
    bodies = []
    async with connection(port) as (reader, writer):
        while clock() < until:
            began = clock()
            writer.write(question.request)
            status, body = await asyncio.wait_for(answer(reader), PATIENCE)
            if status != 200:
                tally.refused += 1
                continue
            tally.seconds.append(clock() - began)
            bodies.append(body)
    tally.wrong += sum(not agrees(body, question) for body in set(bodies))


async def measure(port: int, asked: list[Question], seconds: float) -> Tally:
    """Let one client ask each question for some seconds."""
    tally = Tally()
    began = time.perf_counter()
    until = asyncio.get_running_loop().time() + seconds
    ended = await asyncio.gather(
        *(client(port, question, until, tally) for question in asked), return_exceptions=True
    )
    tally.refused += sum(isinstance(end, Exception) for end in ended)
    tally.span = time.perf_counter() - began
    return tally


async def vanishing(port: int, question: Question) -> None:
    """Send a request, and go away before the answer."""
    async with connection(port) as (_, writer):
        writer.write(question.request)
        await writer.drain()
        await asyncio.sleep(random.uniform(0, 0.05))


async def half_sent(port: int, question: Question) -> None:
    """Send half of a request, wait, and go away."""
    async with connection(port) as (_, writer):
        writer.write(question.request[: len(question.request) // 2])
        await writer.drain()
        await asyncio.sleep(random.uniform(0, 1))


async def slow_reading(port: int, question: Question) -> None:
    """Send a request, and read its answer in small pieces with pauses."""
    async with connection(port) as (reader, writer):
        writer.write(question.request)
        for _ in range(20):
            await reader.read(64)
            await asyncio.sleep(0.1)


async def with_misbehaving(port: int, asked: list[Question], seconds: float) -> tuple[Tally, int]:
    """Measure eight clients while others vanish, send half, or read slowly."""
    number = 0
    until = asyncio.get_running_loop().time() + seconds

    async def misbehave(kind: object, question: Question) -> None:
        nonlocal number
        while asyncio.get_running_loop().time() < until:
            await kind(port, question)  # type: ignore[operator]
            number += 1

    kinds = [vanishing, half_sent, slow_reading] * 5
    others = [misbehave(kind, asked[8 + i]) for i, kind in enumerate(kinds)]
    tally, *_ = await asyncio.gather(measure(port, asked[:8], seconds), *others)
    return tally, number


async def stopped(server: Server, asked: list[Question]) -> tuple[int, int, int]:
    """Send one request a client, and SIGTERM after the first answer.

    Returns:
        The number of requests, the number of right answers, and the exit code of the server.
    """

    async def once(question: Question) -> bool:
        async with connection(server.port) as (reader, writer):
            writer.write(question.request)
            status, body = await asyncio.wait_for(answer(reader), PATIENCE)
            return status == 200 and agrees(body, question)

    tasks = [asyncio.create_task(once(question)) for question in asked]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    server.process.send_signal(signal.SIGTERM)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    code = await asyncio.to_thread(server.process.wait, PATIENCE)
    return len(asked), sum(end is True for end in ended), code


def row(model: str, clients: int, kind: str, tallies: list[Tally]) -> dict[str, object]:
    """Return one row of the table."""
    seconds = np.concatenate([tally.seconds for tally in tallies])
    return {
        "model": model,
        "clients": clients,
        "server": kind,
        "p50, ms": 1000 * float(np.median(seconds)),
        "p95, ms": 1000 * float(np.quantile(seconds, 0.95)),
        "answers a second": len(seconds) / sum(tally.span for tally in tallies),
        "wrong": sum(tally.wrong for tally in tallies),
        "refused": sum(tally.refused for tally in tallies),
    }


def measure_model(name: str, path: Path, given: argparse.Namespace) -> pd.DataFrame:
    """Measure a model with and without batches, in turn; then its clients misbehave."""
    asked = questions(path, max(*given.clients, 64))
    found: dict[tuple[int, str], list[Tally]] = {}
    with serving(path, KINDS["batches"]) as many, serving(path, KINDS["one at a time"]) as one:
        servers = dict(zip(KINDS, (many, one), strict=True))
        for server in servers.values():
            asyncio.run(measure(server.port, asked[:8], 1))
        for _ in range(given.rounds):
            for number in given.clients:
                for kind, server in servers.items():
                    tally = asyncio.run(measure(server.port, asked[:number], given.seconds))
                    found.setdefault((number, kind), []).append(tally)
        tally, number = asyncio.run(with_misbehaving(many.port, asked, given.seconds))
        print(
            f"{name}: {number} clients that vanish, send half or read slowly; meanwhile "
            f"{len(tally.seconds)} right answers to 8 others, {tally.wrong} wrong, "
            f"{tally.refused} refused",
            flush=True,
        )
        sent, right, code = asyncio.run(stopped(many, asked[:64]))
        print(f"{name}: SIGTERM after {sent} requests: {right} right answers, exit code {code}")
    return pd.DataFrame([row(name, n, kind, tallies) for (n, kind), tallies in found.items()])


def main() -> None:
    """Fit, serve and measure the models, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["autotimes", "seasonal_naive"])
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = saved_models(Path(folder), given.models)
        table = pd.concat([measure_model(name, path, given) for name, path in paths.items()])
    print(f"| {' | '.join(table)} |\n|{'|'.join(['--'] * 3)}|{'--:|' * (table.shape[1] - 3)}")
    for cells in table.itertuples(index=False):
        texts = [f"{cell:,.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
        print(f"| {' | '.join(texts)} |")


if __name__ == "__main__":
    main()
