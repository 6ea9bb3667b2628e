"""A real server in a process of its own: clients that misbehave, new models, and its end."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from tests.frames import random_walks
from tslm import BaselineForecaster

H = 4


def series(name, n=60, seed=0):
    frame = random_walks(n, [name], seed=seed)
    return {
        "unique_id": frame.unique_id.tolist(),
        "ds": frame.ds.dt.strftime("%Y-%m-%d").tolist(),
        "y": frame.y.tolist(),
    }


def fitted(seed=0, name="drift"):
    return BaselineForecaster(name, h=H, alias="value", verbose=0).fit(random_walks(60, seed=seed))


@contextmanager
def server(folder, log, *words):
    """Start a server, and give its process and its address."""
    command = [sys.executable, "-u", "-m", "tslm", "serve", f"model={folder}", "port=0", *words]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            line = process.stdout.readline()
            assert "http://" in line, log.read_text()
            yield process, line.split(" at ")[1].split()[0]
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def running(place):
    fitted().save(place / "walks")
    limits = ("body_megabytes=1", "queued_requests=500")
    with server(place / "walks", place / "log", *limits) as (process, address):
        yield process, address


@pytest.fixture
def address(running):
    return running[1]


def connected(address):
    host, _, port = address.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def sent(body, length=None):
    head = "POST /forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body


def ask(address, asked):
    return httpx.post(f"{address}/forecast", json=asked, timeout=60)


def works(address):
    answer = ask(address, {"series": series("a"), "h": 2})
    return answer.status_code == 200 and len(answer.json()["forecast"]["ds"]) == 2


def test_each_of_many_clients_gets_its_own_forecast(address):
    model = fitted()

    def check(number):
        name = f"s{number % 5}"
        table = random_walks(20 + number, [name], seed=number)
        asked = {"series": series(name, 20 + number, number)}
        found = ask(address, asked).json()["forecast"]
        assert set(found["unique_id"]) == {name}
        np.testing.assert_allclose(found["value"], model.predict(table)["value"], rtol=1e-5)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(check, range(60)))


def test_clients_that_vanish_leave_the_server_working(address):
    body = json.dumps({"series": series("a")}).encode()
    for part in (sent(body)[:30], sent(body)[:200], sent(body), b"\x00\xff garbage\r\n\r\n"):
        for _ in range(5):
            with connected(address) as client:
                client.sendall(part)
    assert works(address)


def test_a_body_that_stops_halfway_does_not_hold_up_others(address):
    body = json.dumps({"series": series("a")}).encode()
    with connected(address) as slow:
        slow.sendall(sent(body)[:300])
        assert works(address)
        slow.sendall(sent(body)[300:])
        assert slow.recv(20).startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_does_not_hold_up_others(address):
    asked = {"series": series("a"), "h": 10_000}
    with connected(address) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow.sendall(3 * sent(json.dumps(asked).encode()))
        assert works(address)


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_is_refused_before_it_is_sent(address, declared):
    with connected(address) as client:
        length = b"Content-Length: 4000000" if declared else b"Transfer-Encoding: chunked"
        client.sendall(b"POST /forecast HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n")
        block = b"" if declared else b"20000\r\n" + b" " * 0x20000 + b"\r\n"
        for _ in range(10):
            try:
                client.sendall(block)
            except OSError:
                break
        assert client.recv(20).startswith(b"HTTP/1.1 413")
    assert works(address)


def test_nothing_of_a_request_is_in_the_log(address, place):
    secret = "a-name-of-nobody"
    ask(address, {"series": {"unique_id": [secret], "ds": ["2024-01-01"], "y": ["x"]}})
    ask(address, {"series": series(secret), "model": secret})
    ask(address, {"series": series(secret), secret: 1})
    assert secret not in httpx.get(f"{address}/metrics").text
    assert secret not in (place / "log").read_text()


def test_a_new_model_takes_over_without_a_refused_request(running, place):
    address = running[1]
    end, statuses, versions = threading.Event(), [], set()

    def go_on(number):
        while not end.is_set():
            answer = ask(address, {"series": series("a", seed=number)})
            statuses.append(answer.status_code)
            versions.add(answer.headers.get("tslm-version"))

    with ThreadPoolExecutor(4) as pool:
        for number in range(4):
            pool.submit(go_on, number)
        try:
            fitted(name="last").save(place / "walks", overwrite=True)
            until = time.monotonic() + 60
            while "2" not in versions and time.monotonic() < until:  # it looks every 2 seconds
                time.sleep(0.1)
            fitted(name="drift").save(place / "walks", overwrite=True)
            assert httpx.post(f"{address}/models/walks/reload", timeout=60).json()["version"] >= 3
        finally:
            end.set()
    assert set(statuses) == {200}
    assert {"1", "2"} <= versions


def test_a_damaged_folder_leaves_the_old_model_in_place(running, place):
    address, weights = running[1], place / "walks" / "history.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    answer = httpx.post(f"{address}/models/walks/reload", timeout=60)
    assert answer.status_code == 409
    assert "damaged" in answer.json()["error"]
    assert works(address)
    weights.write_bytes(content)
    assert httpx.post(f"{address}/models/walks/reload", timeout=60).status_code == 200


def test_the_end_finishes_the_requests_that_wait(running, place):
    with server(place / "walks", place / "end", "batch_requests=1") as (process, address):
        with ThreadPoolExecutor(12) as pool:
            asked = {"series": series("a", 2000), "h": 500}
            jobs = [pool.submit(ask, address, asked) for _ in range(12)]
            while known(address) < 12:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert [job.result().status_code for job in jobs] == [200] * 12
        assert process.wait(30) == 143
        with pytest.raises(ConnectionRefusedError):
            connected(address)
    assert "Traceback" not in (place / "end").read_text()


def known(address):
    """Return the number of requests that have been received."""
    lines = [line.rsplit(" ", 1) for line in httpx.get(f"{address}/metrics").text.splitlines()]
    counted = ("tslm_waiting_requests{", "tslm_forecasts_total{")
    return sum(float(line[1]) for line in lines if line[0].startswith(counted))


def test_a_taken_port_and_a_missing_model_are_mistakes_of_the_user(running, place, capsys):
    from tests.command import command

    port = running[1].rpartition(":")[2]
    assert command("serve", f"model={place / 'walks'}", f"port={port}") == 2
    assert "Give another port=" in capsys.readouterr().err
    assert command("serve", f"model={place / 'none'}") == 2
    assert "is not a saved tslm model" in capsys.readouterr().err
    assert command("serve", f"model={place / 'walks'}", "timeout=0") == 2
    assert "timeout=0" in capsys.readouterr().err
