"""Requests of any content are answered with a forecast or refused, and never break the server."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.frames import random_walks
from tslm import BaselineForecaster
from tslm.serving import app
from tslm.serving.refusal import RefusedError
from tslm.serving.requests import read_request

ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
SETTINGS = ["model", "h", "level", "quantiles", "num_samples", "ids", "futr", "static", "events"]
KNOWN = {200, 404, 413, 422}
FEW = settings(max_examples=40, suppress_health_check=list(HealthCheck))

numbers = st.one_of(
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, 1, 2, 80, 0.5, 1e308, 10**18]),
)
cells = st.one_of(numbers, st.none(), st.booleans(), st.text(max_size=5))
anything = st.recursive(
    cells,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
times = st.sampled_from(["2024-01-01", "2024-01-02", "2024-01-03", "9999-12-31", "0001-01-01"])
rows = st.lists(
    st.fixed_dictionaries({"unique_id": cells, "ds": times | cells, "y": cells}), max_size=4
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "walks"
    BaselineForecaster("drift", h=2, verbose=0).fit(random_walks(30)).save(folder)
    with TestClient(app(folder, watch=False)) as client:
        yield client


def check(answer):
    assert answer.status_code in KNOWN, answer.text
    content = json.loads(answer.text)
    assert content["forecast"] if answer.status_code == 200 else content["error"]


@FEW
@given(rows, st.dictionaries(st.sampled_from(SETTINGS), anything, max_size=3))
def test_tables_and_settings_of_any_values(client, series, asked):
    check(client.post("/forecast", content=json.dumps({"series": series, **asked})))


@FEW
@given(st.dictionaries(st.sampled_from(SETTINGS), anything, min_size=1, max_size=2))
def test_settings_of_any_values_for_good_series(client, asked):
    check(client.post("/forecast", content=json.dumps({"series": None, **asked})))


@FEW
@given(st.sampled_from(["", "application/json", ARROW, PARQUET, "text/csv"]), st.binary())
def test_bodies_of_any_bytes(client, kind, body):
    check(client.post("/forecast", content=body, headers={"content-type": kind}))


@FEW
@given(st.dictionaries(st.sampled_from([*SETTINGS, "series"]), st.text(max_size=6), max_size=2))
def test_addresses_with_any_parameters(client, query):
    body = random_walks(20).to_csv(index=False).encode()
    headers = {"content-type": "text/csv"}
    check(client.post("/forecast", params=query, content=body, headers=headers))


@FEW
@given(st.data())
def test_arrow_streams_with_damaged_bytes(client, data):
    table, sink = (
        pa.Table.from_pandas(random_walks(9), preserve_index=False),
        pa.BufferOutputStream(),
    )
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body = bytearray(sink.getvalue().to_pybytes())
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=3)):
        body[place] = data.draw(st.integers(0, 255))
    answer = client.post("/forecast", content=bytes(body), headers={"content-type": ARROW})
    check(answer)


@pytest.mark.parametrize("packing", [None, "zstd", "lz4"])
@pytest.mark.parametrize("text", [True, False])
def test_a_compressed_arrow_stream_is_refused(client, packing, text):
    frame = random_walks(200, ["a"]).astype({"unique_id": "str" if text else "category"})
    table, sink = pa.Table.from_pandas(frame, preserve_index=False), pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=packing)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    body, headers = sink.getvalue().to_pybytes(), {"content-type": ARROW}
    answer = client.post("/forecast", content=body, headers=headers)
    assert answer.status_code == (422 if packing else 200), answer.text
    assert packing is None or "is compressed" in answer.json()["error"]


def test_a_parquet_file_that_unpacks_to_too_much_is_refused(client):
    sink = pa.BufferOutputStream()
    zeros = pa.table({"y": pa.array(np.zeros(200_000_000 // 8))})
    pq.write_table(zeros, sink, compression="zstd", use_dictionary=False)
    body = sink.getvalue().to_pybytes()
    assert len(body) < 2**20
    with pytest.raises(RefusedError, match="bytes unpacked"):
        read_request(body, PARQUET, {}, 2**20)


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"series":' * 50_000,
        '{"series": null, "h": 1' + "0" * 5000 + "}",
        '{"series": [{"unique_id": "a", "ds": "2024-01-01", "y": 1e999}]}',
        '{"series": [{"unique_id": "a", "ds": "2024-01-01", "y": NaN}]}',
        '{"series": [{"unique_id": "\\ud800", "ds": "2024-01-01", "y": 1}]}',
        '{"series": [{"unique_id": "a", "unique_id": "b", "ds": "2024-01-01", "y": 1}]}',
        '{"series": [{"unique_id": "a", "ds": 1e300, "y": 1}]}',
        '{"series": {"unique_id": [], "ds": [], "y": []}}',
        '{"series": {}}',
        '{"series": []}',
        '{"series": [{}]}',
    ],
)
def test_odd_json(client, body):
    check(client.post("/forecast", content=body))
