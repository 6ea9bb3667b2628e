import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tslm.core.errors import ConfigError, DataError
from tslm.core.paths import cache_folder, further_folders
from tslm.data.datasets.benchmarks import Benchmark, Borders, load, names
from tslm.models.backbones.weights.download import is_offline

ROOT = Path(__file__).parents[3]
SHIPPED = ["etth1", "etth2", "ili"]
OTHERS = ["ettm1", "ettm2", "weather", "exchange"]
PRICES = ["epf_be", "epf_de", "epf_fr", "epf_np", "epf_pjm"]  # with covariates


def needs_folder(*cases: object) -> object:
    return pytest.param(*cases, marks=pytest.mark.data)


ALL = [*SHIPPED, *map(needs_folder, OTHERS)]


def last_errors(data: Benchmark, context_length: int, horizon: int) -> tuple[int, float, float]:
    """Windows, MSE and MAE of repeating the last value, over every test window."""
    start, stop = data.target_rows("test")
    values = data.standardise()
    last = values[start - 1 : stop - horizon]
    steps = [values[start + h : stop - horizon + h + 1] - last for h in range(horizon)]
    squared, absolute = (np.mean([f(e).mean() for e in steps]) for f in (np.square, np.abs))
    assert start >= context_length
    return len(last), float(squared), float(absolute)


@pytest.mark.parametrize(
    ("name", "context_length", "horizon", "windows", "mse", "mae"),
    [
        ("etth1", 96, 96, 2785, 1.2944, 0.7132),
        ("etth2", 96, 96, 2785, 0.4317, 0.4216),
        ("ili", 36, 24, 170, 6.2133, 1.6222),
        needs_folder("ettm1", 96, 96, 11425, 1.2139, 0.6648),
        needs_folder("ettm2", 96, 96, 11425, 0.2665, 0.3278),
        needs_folder("weather", 96, 96, 10444, 0.2591, 0.2542),
        needs_folder("exchange", 96, 96, 1422, 0.0811, 0.1964),
    ],
)
def test_repeating_the_last_value_has_its_known_error(
    name: str, context_length: int, horizon: int, windows: int, mse: float, mae: float
) -> None:
    found = last_errors(load(name), context_length, horizon)
    assert found == (windows, pytest.approx(mse, abs=6e-5), pytest.approx(mae, abs=6e-5))


@pytest.mark.parametrize("name", ALL)
def test_a_set_has_the_facts_of_its_yaml_file(name: str) -> None:
    data = load(name)
    rows, series = data.values.shape
    step = pd.Timedelta(
        pd.tseries.frequencies.to_offset(data.freq).nanos if name != "ili" else "7D"
    )
    assert set(np.diff(data.time)) == {int(step.total_seconds())}
    assert len(data.columns) == series
    assert data.borders.test_end <= rows
    assert np.isfinite(data.values).all()
    assert list(data.frame.columns) == ["unique_id", "ds", "y"]
    assert not data.frame.duplicated(["unique_id", "ds"]).any()
    assert tuple(data.frame["unique_id"].unique()) == data.columns
    np.testing.assert_array_equal(data.frame["y"].to_numpy().reshape(series, rows).T, data.values)


@pytest.mark.parametrize("name", ALL)
def test_only_training_rows_set_the_scale(name: str) -> None:
    data = load(name)
    train = data.standardise()[slice(*data.target_rows("train"))]
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(train.std(0), 1, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "borders"),
    [
        ("etth1", (8640, 11520, 14400)),
        ("ili", (676, 773, 966)),
        needs_folder("ettm1", (34560, 46080, 57600)),
        needs_folder("weather", (36887, 42157, 52696)),
        needs_folder("exchange", (5311, 6071, 7588)),
    ],
)
def test_borders_are_the_published_ones(name: str, borders: tuple[int, int, int]) -> None:
    data = load(name)
    parts = [data.target_rows(split) for split in ("train", "val", "test")]
    assert data.borders == borders
    assert parts == [(0, borders[0]), borders[:2], borders[1:]]
    assert isinstance(data.borders.test_end, int)


def test_etth1_begins_as_its_file() -> None:
    frame = load("ETTh1").frame
    assert frame.loc[0].tolist() == ["HUFL", pd.Timestamp("2016-07-01"), 5.827000141143799]
    assert frame["unique_id"].iloc[-1] == "OT"


def test_values_are_read_exactly() -> None:
    text = gzip.decompress((ROOT / "data" / "ETTh2.csv.gz").read_bytes()).decode().splitlines()
    rows = [[float(cell) for cell in line.split(",")[1:]] for line in text[1:]]
    np.testing.assert_array_equal(load("etth2").values, rows)


def test_a_constant_training_column_is_only_centred() -> None:
    values, time = np.array([[2.0], [2.0], [5.0]]), np.arange(3)
    data = Benchmark("x", ("a",), values, time, Borders(2, 3, 3), 1, "D", (1,))
    assert data.standardise().ravel().tolist() == [0, 0, 3]


def test_names_are_those_of_the_folder() -> None:
    assert names() == sorted([*SHIPPED, *OTHERS, *PRICES])


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"'ethh1'\. Did you mean etth1.* weather"):
        load("ethh1")


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="Known: train, val, test"):
        load("etth1").target_rows("dev")


def own(**changes: object) -> dict[str, object]:
    content = yaml.safe_load((ROOT / "conf/benchmark/ili.yaml").read_text())["benchmark"]
    return {**content, **changes}


def test_a_set_of_the_user_is_read_from_a_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.csv").write_text("when,a,b\n2020/1/9,1,2\n2020/1/10,3,4\n2020/1/10,5,6\n")
    monkeypatch.setenv("TSLM_DATA", str(tmp_path))
    data = load(
        own(
            file="mine.csv",
            sha256=None,
            time_column="when",
            time_format="%Y/%m/%d",
            freq="D",
            equally_spaced=True,
            split={"train": 1, "val": 1, "test": 1},
        )
    )
    assert data.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (np.diff(data.time) == 86_400).all()
    with pytest.raises(DataError, match=r"mine.csv has 3 rows, its split needs 966"):
        load(own(file="mine.csv", sha256=None, time_column="when"))


def test_a_missing_file_is_refused_with_its_places_and_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSLM_DATA", str(tmp_path))
    with pytest.raises(DataError) as error:
        load("weather")
    for part in ("weather.csv", str(ROOT / "data"), str(tmp_path), "bgc-jena", "TSLM_DATA"):
        assert part in str(error.value)
    monkeypatch.delenv("TSLM_DATA")
    with pytest.raises(DataError, match=r"set TSLM_DATA"):
        load("ettm1")


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, such as ``export TSLM_DATA=``, does not mean the current folder."""
    variables = {
        found
        for file in (ROOT / "tslm").rglob("*.py")
        for found in re.findall(r"TSLM_[A-Z]+", file.read_text())
    }
    assert {"TSLM_DATA", "TSLM_CACHE", "TSLM_CONF", "TSLM_OFFLINE"} <= variables
    for variable in variables:
        monkeypatch.delenv(variable, raising=False)
    unset = (cache_folder(), further_folders(), is_offline())
    for variable in variables:
        monkeypatch.setenv(variable, "")
    assert (cache_folder(), further_folders(), is_offline()) == unset
    with pytest.raises(DataError, match=r"and set TSLM_DATA"):
        load("weather")


def test_a_variable_that_names_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSLM_DATA", "nowhere")
    with pytest.raises(DataError, match="TSLM_DATA=nowhere is not a folder"):
        load("weather")


def test_an_altered_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exchange_rate.csv.gz").write_bytes(gzip.compress(b"date,a\n"))
    monkeypatch.setenv("TSLM_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"not the published exchange_rate.csv.*SHA-256"):
        load("exchange")


def test_a_wrong_key_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="unexpected keyword argument 'seasonality'"):
        load(own(seasonality=3))


def test_shipped_files_are_the_listed_ones() -> None:
    listed = (ROOT / "data/SHA256SUMS").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in listed)
    folder = ROOT / "data"
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {*sums, "README.md", "SHA256SUMS"}
    readme = (folder / "README.md").read_text()
    for name, stored in sums.items():
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == stored
        plain = gzip.decompress(content) if name.endswith(".gz") else content
        assert stored in readme
        assert hashlib.sha256(plain).hexdigest() in readme


@pytest.mark.data
@pytest.mark.parametrize("name", PRICES)
def test_columns_beside_the_target_are_known_ahead(name: str) -> None:
    data = load(name)
    assert data.columns == ("OT",)
    assert data.covariates is not None
    assert list(data.frame.columns) == ["unique_id", "ds", "y", *data.covariates.columns]
    assert data.borders.test_end == len(data.frame) == 52_416
    assert data.frame.notna().all(axis=None)
