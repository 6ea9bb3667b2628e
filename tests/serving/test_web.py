"""Forecasts over HTTP: bodies, answers, statuses."""

import io
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from tests.frames import random_walks
from tslm import BaselineForecaster
from tslm.core.errors import ConfigError
from tslm.serving import Limits, app
from tslm.serving.refusal import RefusedError

ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    fitted = BaselineForecaster("theta", h=4, verbose=0).fit(random_walks(80))
    fitted.save(tmp_path_factory.mktemp("models") / "walks")
    return fitted


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "walks"
    model.save(path)
    return path


@pytest.fixture
def client(folder):
    with TestClient(app(folder, watch=False)) as client:
        yield client


def columns(frame):
    return {
        name: json.loads(column.to_json(orient="values", date_format="iso"))
        for name, column in frame.items()
    }


def records(frame):
    return json.loads(frame.to_json(orient="records", date_format="iso"))


def read(answer):
    assert answer.status_code == 200, answer.text
    table = pd.DataFrame(answer.json()["forecast"])
    return table.assign(ds=pd.to_datetime(table["ds"]))


def same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9)


def new():
    return random_walks(50, ["north", "south", "east"], seed=1)


@pytest.mark.parametrize("shape", [columns, records])
def test_a_forecast_is_that_of_predict(client, model, shape):
    asked = {"series": shape(new()), "h": 6, "level": [80]}
    same(read(client.post("/forecast", json=asked)), model.predict(new(), h=6, level=[80]))


@pytest.mark.parametrize("kind", [ARROW, PARQUET, "text/csv"])
def test_tables_go_in_and_out_in_each_kind(client, model, kind):
    table, sink = pa.Table.from_pandas(new(), preserve_index=False), io.BytesIO()
    if kind == ARROW:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    elif kind == PARQUET:
        pq.write_table(table, sink)
    else:
        new().to_csv(sink, index=False)
    headers = {"content-type": kind, "accept": kind}
    answer = client.post(
        "/forecast?h=3&quantiles=0.1,0.9", content=sink.getvalue(), headers=headers
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(kind)
    if kind == ARROW:
        found = pa.ipc.open_stream(answer.content).read_all().to_pandas()
    elif kind == PARQUET:
        found = pd.read_parquet(io.BytesIO(answer.content))
    else:
        found = pd.read_csv(io.BytesIO(answer.content), parse_dates=["ds"])
    same(found, model.predict(new(), h=3, quantiles=[0.1, 0.9]))


def test_the_series_of_fit_are_forecast_without_a_table(client, model):
    same(
        read(client.post("/forecast", json={"series": None, "ids": ["b"]})),
        model.predict(ids=["b"]),
    )


def test_the_model_is_described(client, model):
    facts = client.get("/model").json()["models"]["walks"]
    assert (facts["version"], facts["h"], facts["freq"]) == (1, 4, "D")
    assert facts["columns"]["id"] == "unique_id"
    assert facts["columns"]["ids_are_numbers"] is False
    assert client.get("/health").json() == {"status": "ok", "models": 1}
    assert 'tslm_model_version{model="walks"} 1.0' in client.get("/metrics").text
    assert client.get("/").status_code == client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ({"serie": []}, 422, "did you mean series"),
        ([1], 422, "must be an object"),
        ({"h": 3}, 422, "series is not given"),
        ({"series": 3}, 422, "list of objects"),
        ({"series": {"unique_id": ["a"], "ds": [], "y": [1]}}, 422, "same length"),
        ({"series": [{"unique_id": "a", "ds": {}, "y": 1}]}, 422, "holds an object"),
        ({"series": [{"unique_id": "a", "ds": "x", "y": 1}]}, 422, "no date"),
        ({"series": None, "h": 0}, 422, "h=0"),
        ({"series": None, "h": 10**9}, 422, "h="),
        ({"series": None, "num_samples": 100_000, "h": 1000}, 413, "more than"),
        ({"series": None, "level": [80], "quantiles": [0.1]}, 422, "cannot be used"),
        ({"series": None, "model": "power"}, 404, "There are 'walks'"),
    ],
)
def test_a_mistake_is_refused_with_our_message(client, asked, status, message):
    answer = client.post("/forecast", json=asked)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]


def test_a_body_that_is_too_large_is_refused(folder):
    with TestClient(app(folder, Limits(body_megabytes=0.001), watch=False)) as client:
        assert client.post("/forecast", content=b" " * 2000).status_code == 413
        pieces = (b" " * 100 for _ in range(20))  # no Content-Length
        assert client.post("/forecast", content=pieces).status_code == 413


def test_other_kinds_of_bodies_and_answers_are_refused(client):
    answer = client.post("/forecast", content="x", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    answer = client.post("/forecast", json={"series": None}, headers={"accept": "image/png"})
    assert answer.status_code == 406


def test_a_token_is_needed_if_one_is_set(folder, monkeypatch):
    monkeypatch.setenv("TSLM_SERVE_TOKEN", "secret")
    with TestClient(app(folder, watch=False)) as client:
        assert client.get("/health").status_code == 200
        for address in ("/model", "/metrics"):
            assert client.get(address).status_code == 401
        assert client.post("/models/walks/reload").status_code == 401
        asked, sent = {"series": None}, {"authorization": "Bearer secret"}
        assert client.post("/forecast", json=asked).status_code == 401
        assert client.post("/forecast", json=asked, headers=sent).status_code == 200


def test_several_models_are_asked_by_name(folder, model):
    with TestClient(app({"sales": folder, "power": folder}, watch=False)) as client:
        answer = client.post("/forecast", json={"series": None})
        assert "one of 'sales', 'power'" in answer.json()["error"]
        answer = client.post("/forecast", json={"series": None, "model": "power"})
        same(read(answer), model.predict())
        assert set(client.get("/model").json()["models"]) == {"sales", "power"}


def test_names_of_models_are_parts_of_an_address(folder):
    with pytest.raises(ConfigError, match="cannot be the name"):
        app({"a/b": folder})


def test_ids_of_a_csv_body_are_numbers_if_those_of_fit_are(tmp_path):
    frame = random_walks(60, [7, 10]).rename(columns={"unique_id": "shop"})
    numbered = BaselineForecaster("last", h=2, id_col="shop", verbose=0).fit(frame)
    numbered.save(tmp_path / "shops")
    with TestClient(app(tmp_path / "shops", watch=False)) as client:
        headers = {"content-type": "text/csv", "accept": PARQUET}
        address, body = "/forecast?ids=10", frame.head(90).to_csv(index=False)
        answer = client.post(address, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found = pd.read_parquet(io.BytesIO(answer.content))
        same(found, numbered.predict(frame.head(90), ids=[10]))


def test_a_forecast_that_takes_too_long_ends_with_504(folder, monkeypatch):
    monkeypatch.setattr("tslm.serving.service.forecast", lambda tasks: time.sleep(1))
    with TestClient(app(folder, Limits(timeout=0.05), watch=False)) as client:
        answer = client.post("/forecast", json={"series": None})
        assert answer.status_code == 504
        assert "not ready in time" in answer.json()["error"]


def test_a_full_queue_says_when_to_come_back(folder, monkeypatch):
    gate = threading.Event()

    def work(tasks):
        assert gate.wait(20)
        return [RefusedError(422, "done")] * len(tasks)

    monkeypatch.setattr("tslm.serving.service.forecast", work)
    limits = Limits(queued_requests=1, batch_requests=1)
    with TestClient(app(folder, limits, watch=False)) as client, ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(client.post, "/forecast", json={"series": None}) for _ in range(8)]
        refused = next(job.result() for job in as_completed(jobs))
        gate.set()
        statuses = [job.result().status_code for job in jobs]
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        assert set(statuses) == {422, 429}


def test_an_error_of_ours_is_500_without_the_data_of_the_request(folder, monkeypatch, caplog):
    def work(tasks):
        raise RuntimeError("a value of the user")

    monkeypatch.setattr("tslm.serving.service.forecast", work)
    with TestClient(app(folder, watch=False)) as client:
        answer = client.post("/forecast", json={"series": None})
    assert answer.status_code == 500
    assert "RuntimeError at test_web.py" in caplog.text
    assert "a value of the user" not in answer.text + caplog.text


def test_without_the_extra_the_command_to_type_is_named(folder, monkeypatch):
    monkeypatch.delattr("tslm.serving.web")
    monkeypatch.setitem(sys.modules, "tslm.serving.web", None)
    with pytest.raises(ConfigError, match=r"pip install 'tslm\[serve\]'"):
        app(folder)


def test_missing_values_are_null_in_and_out(client, model):
    frame = new()
    frame.loc[[3, 60], "y"] = np.nan
    answer = client.post("/forecast", json={"series": records(frame)})
    with pytest.warns(UserWarning, match="missing"):
        same(read(answer), model.predict(frame))
    assert "missing" in answer.json()["warnings"][0]
    assert unquote(answer.headers["tslm-warnings"]) == answer.json()["warnings"][0][:400]
