"""Published tables: the first command works, or its message has the words that make it work."""

import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tslm import BaselineForecaster, ConfigError, DataError
from tslm.core import files

LAST = ["model=last", "h=3", "verbose=0", "accelerator=cpu"]
MONTHS = pd.date_range("2010-01-01", periods=60, freq="MS")
DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


class Result(NamedTuple):
    code: Any
    out: str
    err: str


@pytest.fixture
def tslm(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command, called in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Result:
        code = command(*words)
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def forecast(tslm: Callable[..., Result]) -> Callable[..., pd.DataFrame]:
    """Fit and predict with the last value, on a file with this content."""

    def call(content: str | bytes, *words: str, name: str = "data.csv") -> pd.DataFrame:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        done = tslm("fit", f"data={name}", "out=m", "overwrite=true", *LAST, *words)
        assert (done.code, done.err) == (0, "")
        some = [word for word in words if word.split("=")[0] in ("sep", "decimal", "encoding")]
        done = tslm("predict", "model=m", f"data={name}", "out=f.csv", *some)
        assert (done.code, done.err) == (0, "")
        return pd.read_csv("f.csv", dtype=str, keep_default_na=False)

    return call


def monthly(header: str = "Month,Sales", stamp: str = "%Y-%m-%d", sep: str = ",") -> str:
    rows = (f"{month:{stamp}}{sep}{100 + i}" for i, month in enumerate(MONTHS))
    return "\n".join([header, *rows, ""])


def sales(ids: Sequence[Any], n: int = 60) -> pd.DataFrame:
    size = len(ids)
    y = np.arange(size * n) % 13 + 0.25
    return pd.DataFrame({"unique_id": np.repeat(ids, n), "ds": np.tile(DAYS[:n], size), "y": y})


class TestOneSeries:
    def test_a_file_of_one_series_needs_no_mapping(self, forecast: Any) -> None:
        got = forecast(monthly())
        assert list(got) == ["unique_id", "Month", "Last"]
        assert got.unique_id.tolist() == ["Sales"] * 3
        assert got.Month.tolist() == ["2015-01-01", "2015-02-01", "2015-03-01"]
        assert got.Last.astype(float).tolist() == pytest.approx([159] * 3)

    def test_months_without_days_are_dates(self, forecast: Any) -> None:
        assert len(forecast(monthly(stamp="%Y-%m"))) == 3

    def test_row_numbers_without_a_name_are_no_values(self, forecast: Any) -> None:
        frame = pd.read_csv(io.StringIO(monthly()))
        assert list(forecast(frame.to_csv())) == ["unique_id", "Month", "Last"]

    def test_usual_column_names_need_no_id(self, forecast: Any) -> None:
        assert forecast(monthly("ds,y")).unique_id.tolist() == ["y"] * 3

    def test_the_other_commands_find_the_columns_too(self, tslm: Any) -> None:
        Path("d.csv").write_text(monthly())
        done = tslm("backtest", "data=d.csv", "out=cv.csv", *LAST)
        assert (done.code, done.err) == (0, "")
        assert list(pd.read_csv("cv.csv"))[:4] == ["unique_id", "Month", "cutoff", "Sales"]
        assert "mase" in done.out

    def test_two_columns_of_numbers_are_refused(self, tslm: Any) -> None:
        frame = pd.read_csv(io.StringIO(monthly())).assign(Price=1.0)
        frame.to_csv("d.csv", index=False)
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert done.code == 2
        assert "Columns of numbers: 'Sales', 'Price'" in done.err
        assert "time_col=Month target_col=Sales" in done.err
        done = tslm("fit", "data=d.csv", "out=m", "time_col=Month", "target_col=Price", *LAST)
        assert done.code == 0

    def test_a_column_of_years_is_suggested_as_the_time(self, tslm: Any) -> None:
        rows = "\n".join(f"{1900 + i},{i}" for i in range(60))
        Path("d.csv").write_text(f"Year,Births\n{rows}\n")
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert "time_col=Year target_col=Births" in done.err

    def test_series_in_one_column_are_never_mixed(self, tslm: Any) -> None:
        sales(["a", "b"]).rename(columns={"unique_id": "shop"}).to_csv("d.csv", index=False)
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert done.code == 2
        assert "id_col=shop" in done.err
        assert tslm("fit", "data=d.csv", "out=m", "id_col=shop", *LAST).code == 0

    @pytest.mark.parametrize("make", ["frame", "index", "series", "named", "bare"])
    def test_python_takes_one_series_in_any_form(self, make: str) -> None:
        frame = pd.DataFrame({"ds": MONTHS, "Sales": np.arange(60.0)})
        forms = {
            "frame": frame,
            "index": frame.set_index("ds"),
            "series": frame.set_index("ds").Sales,
            "named": frame.rename(columns={"ds": "Month"}).set_index("Month").Sales,
            "bare": pd.Series(np.arange(60.0), pd.DatetimeIndex(MONTHS)),
        }
        got = BaselineForecaster("last", h=2).fit(forms[make]).predict()
        assert got.iloc[:, 0].tolist() == ["y" if make == "bare" else "Sales"] * 2
        assert got.columns[1] == ("Month" if make == "named" else "ds")
        assert got.iloc[0, 1] == pd.Timestamp("2015-01-01")

    def test_a_series_without_times_is_counted(self) -> None:
        got = BaselineForecaster("last", h=2, season_length=1).fit(pd.Series(range(60))).predict()
        assert got.ds.tolist() == [60, 61]

    def test_columns_that_were_found_are_saved(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"Month": MONTHS, "Sales": np.arange(60.0)})
        BaselineForecaster("last", h=2).fit(frame).save(tmp_path / "m")
        loaded = BaselineForecaster.load(tmp_path / "m")
        assert list(loaded.predict(frame)) == ["unique_id", "Month", "Last"]


class TestIds:
    IDS = ("001", "1.10", "1e5", "100000", "NA", "None", "null", "nan", "N/A")

    def test_ids_stay_as_they_are_written(self, forecast: Any) -> None:
        got = forecast(sales(self.IDS).to_csv(index=False))
        assert sorted(got.unique_id.unique()) == sorted(self.IDS)

    def test_every_file_of_a_fit_has_its_ids_as_text(self, tslm: Any) -> None:
        frame = sales(["001", "NA"])
        late = frame.groupby("unique_id").cumcount() >= 50
        frame[~late].to_csv("d.csv", index=False)
        frame[late].to_csv("v.csv", index=False)
        pd.DataFrame({"unique_id": ["001", "NA"], "size": [1.0, 2.0]}).to_csv("s.csv", index=False)
        words = ["data=d.csv", "val_data=v.csv", "static=s.csv", "out=m", "static_exog=[size]"]
        done = tslm("fit", *words, "model=profile_ar", *LAST[1:])
        assert done.code == 0, done.err
        frame[frame.unique_id == "001"].to_csv("one.csv", index=False)
        done = tslm("predict", "model=m", "data=one.csv", "static=s.csv", "out=f.csv")
        assert done.code == 0, done.err
        assert pd.read_csv("f.csv", dtype=str).unique_id.tolist() == ["001"] * 3

    def test_ids_that_were_numbers_in_python_are_numbers_in_files(
        self, tslm: Any, tmp_path: Path
    ) -> None:
        frame = sales([7, 8])
        BaselineForecaster("last", h=3).fit(frame).save("m")
        frame.to_csv("d.csv", index=False)
        assert tslm("predict", "model=m", "data=d.csv", "out=f.parquet").code == 0
        assert pd.read_parquet("f.parquet").unique_id.tolist() == [7] * 3 + [8] * 3

    def test_several_columns_name_a_series_together(self, forecast: Any) -> None:
        frame = pd.concat(
            sales(["x"]).assign(store=store, item=item).drop(columns="unique_id")
            for store, item in (("A", "01"), ("A", "02"), ("B", "01"))
        )
        got = forecast(frame.to_csv(index=False), "id_col=[store,item]")
        assert list(got) == ["store", "item", "ds", "Last"]
        assert got[["store", "item"]].drop_duplicates().to_numpy().tolist() == [
            ["A", "01"],
            ["A", "02"],
            ["B", "01"],
        ]

    def test_several_columns_keep_their_types(self) -> None:
        frame = pd.concat(
            sales(["x"]).assign(store=store, item=item).drop(columns="unique_id")
            for store, item in (("A", 1), ("B", 2))
        )
        model = BaselineForecaster("last", h=2, id_col=["store", "item"])
        got = model.fit(frame).predict()
        assert got["item"].tolist() == [1, 1, 2, 2]
        backtest = model.cross_validation(frame)
        assert list(backtest)[:5] == ["store", "item", "ds", "cutoff", "y"]
        with pytest.raises(DataError, match=r"no column 'shop' of id_col"):
            model.set_params(id_col=["shop", "item"]).fit(frame)

    def test_an_empty_id_is_missing(self, tslm: Any) -> None:
        Path("d.csv").write_text("unique_id,ds,y\n,2024-01-01,1\na,2024-01-02,2\n")
        assert "missing in 1 row" in tslm("fit", "data=d.csv", "out=m", *LAST).err

    def test_two_roles_of_one_column_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="id_col and target_col both name 'y'"):
            BaselineForecaster("last", id_col="y").fit(sales(["a"]))


class TestWriting:
    FRAME = sales(["Zürich", "Bern"]).assign(y=lambda t: t.y * 1000 + 0.5)

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            ({"sep": ";", "decimal": ","}, "german.csv"),
            ({"sep": "\t"}, "tab.tsv"),
            ({"sep": "\t", "encoding": "utf-16"}, "excel.txt"),
            ({"sep": "|"}, "pipe.CSV"),
            ({"encoding": "utf-8-sig"}, "DATA.CSV.GZ"),
            ({}, "x.csv.bz2"),
            ({}, "x.csv.xz"),
            ({}, "x.csv.zip"),
        ],
    )
    def test_a_file_is_read_as_it_is_written(
        self, forecast: Any, options: dict[str, Any], name: str
    ) -> None:
        Path("as").mkdir()
        file = Path("as") / name.lower()
        self.FRAME.to_csv(file, index=False, **options)
        got = forecast(file.read_bytes(), name=name)
        last = self.FRAME.groupby("unique_id").y.last()
        assert got.Last.astype(float).tolist() == pytest.approx(
            np.repeat(last.to_numpy(), 3), rel=1e-6
        )

    def test_separators_of_thousands_are_read(self, forecast: Any) -> None:
        written = self.FRAME.assign(y=self.FRAME.y.map("{:,.2f}".format))
        got = forecast(written.to_csv(index=False))
        assert float(got.Last.max()) > 1000

    def test_a_file_in_another_encoding_is_read_with_a_warning(self, tslm: Any) -> None:
        self.FRAME.to_csv("d.csv", index=False, encoding="latin-1")
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert done.code == 0
        assert "was read as cp1252" in done.err
        done = tslm("fit", "data=d.csv", "out=n", "encoding=latin-1", *LAST)
        assert (done.code, done.err) == (0, "")
        assert tslm("predict", "model=n", "out=f.csv").code == 0
        assert set(pd.read_csv("f.csv").unique_id) == {"Zürich", "Bern"}

    def test_an_ambiguous_mark_is_refused(self, tslm: Any) -> None:
        rows = "".join(f"{day:%Y-%m-%d};1,{100 + i}\n" for i, day in enumerate(DAYS))
        Path("d.csv").write_text(f"ds;y\n{rows}")
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert done.code == 2
        assert "decimal=comma or decimal=point" in done.err
        for word, last in (("comma", 1.159), ("point", 1159)):
            words = ["data=d.csv", f"decimal={word}", "out=m", "overwrite=true", *LAST]
            assert tslm("fit", *words).code == 0
            assert tslm("predict", "model=m", "out=f.csv").code == 0
            assert pd.read_csv("f.csv").Last[0] == pytest.approx(last, rel=1e-6)

    def test_a_file_with_two_possible_separators_is_refused(self, tslm: Any) -> None:
        Path("d.csv").write_text("ds;y, EUR\n" + "2024-01-01;1,5\n" * 3)
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert "Pass sep=comma or sep=semicolon" in done.err

    def test_cells_beyond_the_header_are_not_dropped(self, tslm: Any) -> None:
        Path("d.csv").write_text("ds,y\n2024-01-01,1,5\n2024-01-02,2,5\n")
        assert "more cells than its first line" in tslm("fit", "data=d.csv", "out=m", *LAST).err

    @pytest.mark.parametrize("day", ["%Y%m%d", "%Y-%m-%d"])
    def test_a_missing_first_line_is_named_beside_decimal_commas(self, tslm: Any, day: str) -> None:
        Path("d.csv").write_text("".join(f"{one:{day}};{i},5\n" for i, one in enumerate(DAYS)))
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert "The first line of d.csv holds values" in done.err

    def test_columns_of_the_same_name_are_refused(self, tslm: Any) -> None:
        Path("d.csv").write_text("ds,y, y,note,note\n2024-01-01,1,2,a,b\n2024-01-02,3,4,a,b\n")
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert "d.csv has several columns with the name 'y', 'note'. Give every" in done.err

    def test_spaces_before_separators_are_no_part_of_ids(self, forecast: Any) -> None:
        rows = (f"a{' ' * (i % 2)} , {day:%Y-%m-%d} , {i}" for i, day in enumerate(DAYS))
        got = forecast("\n".join(["unique_id , ds , y", *rows, ""]))
        assert got.unique_id.tolist() == ["a"] * 3

    @pytest.mark.parametrize("bad", ["?", "-", "n.a.", "."])
    @pytest.mark.parametrize("style", [{}, {"sep": ";", "decimal": ","}])
    def test_a_bad_cell_is_named(self, tslm: Any, bad: str, style: dict[str, str]) -> None:
        frame = sales(["a"]).astype({"y": object})
        if style:
            frame["y"] = frame.y.map("{:.2f}".format).str.replace(".", ",")
        frame.loc[57, "y"] = bad
        frame.to_csv("d.csv", index=False, sep=style.get("sep", ","))
        done = tslm("fit", "data=d.csv", "out=m", *LAST)
        assert f"'y' holds {bad!r} in row 57, which is no number" in done.err

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["sep=ab"], "sep='ab' must be one character, or one of comma"),
            (["decimal=dot"], "decimal='dot' must be comma or point"),
            (["encoding=utf-99"], "encoding='utf-99' is unknown"),
        ],
    )
    def test_settings_of_files_are_checked(
        self, tslm: Any, words: Sequence[str], message: str
    ) -> None:
        Path("d.csv").write_text(monthly())
        done = tslm("fit", "data=d.csv", "out=m", *LAST, *words)
        assert (done.code, message in done.err) == (2, True)


class TestPipes:
    def test_data_and_forecasts_go_through_pipes(
        self, tslm: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = gzip.compress(sales(["a"]).to_csv(index=False).encode())
        stdin = io.TextIOWrapper(io.BytesIO(raw))
        monkeypatch.setattr("sys.stdin", stdin)
        assert tslm("fit", "data=-", "out=m", *LAST).code == 0
        done = tslm("predict", "model=m", "out=-")
        assert done.code == 0
        assert list(pd.read_csv(io.StringIO(done.out))) == ["unique_id", "ds", "Last"]
        assert "wrote 3 rows" in done.err

    def test_a_tilde_is_the_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        files.write_table(sales(["a"]), "~/d.csv")
        assert (tmp_path / "d.csv").is_file()
        assert len(files.read_table("~/d.csv")) == 60

    def test_a_file_that_is_read_is_not_written_over(self, tslm: Any) -> None:
        Path("d.csv").write_text(monthly())
        done = tslm("backtest", "data=d.csv", "out=./d.csv", *LAST)
        assert (done.code, "would be overwritten" in done.err) == (2, True)
        assert Path("d.csv").read_text() == monthly()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.csv.gz", gzip.compress(b"ds,y\n2024-01-01,1\n" * 99, mtime=0)[:30], "cannot be read"),
        ("x.csv.zip", b"PK\x03\x04 no archive", "cannot be read"),
        ("x.parquet", b"PAR1 no table", "cannot be read"),
        (
            "ids.csv",
            b"a,2024-01-01,1.5\na,2024-01-02,2\n",
            "first line of ids.csv holds values",
        ),
        ("names.csv", b"a,1704067200,1\na,1704070800,2\n", "in place of names. Add a first line"),
        ("dates.csv", b"2024-01-01;1.5\n2024-01-02;2.5\n", "such as '2024-01-01', '1.5'"),
        ("numbers.csv", b"1.5\n2\n3\n", "such as unique_id,ds,y"),
        (
            "twice.csv",
            b"ds,y ,y\n2024-01-01,1,2\n2024-01-02,1,2\n",
            "several columns with the name 'y'",
        ),
        ("empty.csv", b"\n\n", "empty.csv is empty"),
        ("nul.csv", b"\0" * 100_000, "so it is no text"),
        ("x.xlsx", b"PK\x03\x04", "x.xlsx "),  # whether openpyxl is here or not
    ],
)
def test_a_broken_file_is_refused_in_one_line(
    tslm: Any, name: str, content: bytes, message: str
) -> None:
    Path(name).write_bytes(content)
    done = tslm("fit", f"data={name}", "out=m", *LAST)
    assert (done.code, message in done.err) == (2, True)
    assert len(done.err) < 500


def test_an_uncompressed_file_may_have_the_name_of_a_compressed_one(forecast: Any) -> None:
    assert len(forecast(monthly(), name="plain.csv.gz")) == 3


def test_names_of_columns_may_be_years_and_dates(tmp_path: Path) -> None:
    for head in ("country,2019,2020", "shop,2024-01-01,2024-01-02", "ds,10,20", "a,b,c"):
        (tmp_path / "d.csv").write_text(f"{head}\nde,1.5,2.5\nfr,2.5,3.5\n")
        assert ",".join(files.read_table(tmp_path / "d.csv")) == head


class TestNames:
    @pytest.mark.parametrize("alias", ["y", "ds", "unique_id", "cutoff", "Last-lo-80"])
    def test_a_forecast_is_not_called_like_another_column(self, alias: str) -> None:
        model = BaselineForecaster("last", h=3, alias=alias)
        if alias == "Last-lo-80":
            with pytest.raises(ConfigError, match="Pass another alias"):
                model.cross_validation(sales(["a"]), baselines=["Last"])
            return
        with pytest.raises(ConfigError, match=f"'{alias}' has the name of .* Pass another alias"):
            model.fit(sales(["a"]))
        with pytest.raises(ConfigError, match="Pass another alias"):
            model.cross_validation(sales(["a"]))

    def test_baselines_are_not_called_like_the_forecast_or_the_truth(self) -> None:
        frame = sales(["a"])
        with pytest.raises(ConfigError, match="columns of the same name"):
            BaselineForecaster("last", h=3, alias="drift").cross_validation(
                frame, baselines=["drift"]
            )
        with pytest.raises(ConfigError, match="'drift' has the name of"):
            BaselineForecaster("last", h=3, target_col="drift").cross_validation(
                frame.rename(columns={"y": "drift"}), baselines=["drift"]
            )

    def test_no_column_of_the_frame_is_called_like_that_of_origins(self) -> None:
        with pytest.raises(ConfigError, match="id_col='cutoff' is also the name of a column"):
            BaselineForecaster("last", h=3, id_col="cutoff").fit(sales(["a"]))

    def test_a_covariate_may_be_called_cutoff(self) -> None:
        frame = sales(["a"]).assign(cutoff=lambda t: t.y * 2)
        model = BaselineForecaster("profile_ar", h=3, futr_exog=["cutoff"])
        backtest = model.cross_validation(frame, baselines=[])
        assert backtest.cutoff.tolist() == [DAYS[56]] * 3

    def test_ids_of_another_type_warn_that_they_are_new(self) -> None:
        model = BaselineForecaster("last", h=3).fit(sales([1, 2]))
        with pytest.warns(UserWarning, match="No series of df was seen in fit: its ids are"):
            model.predict(sales(["1"]))
