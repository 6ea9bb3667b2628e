"""The page of a running server, in headless Chromium: paste a CSV, see and load its forecast."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tslm import BaselineForecaster

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
TOKEN = "open sesame"
MARKUP = "<img src=x onerror=document.title='run'>"


class Served(NamedTuple):
    """A model, and the address at which a process serves it."""

    model: BaselineForecaster
    address: str


def sales(*ids: str) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=70, freq="D")
    week = np.tile([3.25, 1, 4, 1.5, 9, 2, 6], 10)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": days, "y": 100 * place + week + np.arange(70) / 7})
        for place, name in enumerate(ids)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served") / "sales"
    model = BaselineForecaster("seasonal_naive", h=10, verbose=0).fit(sales("north", "south"))
    model.save(folder)
    models = f"model={{sales: {folder}, again: {folder}}}"
    command = [sys.executable, "-m", "tslm", "serve", models, "port=0"]
    env = {**os.environ, "TSLM_SERVE_TOKEN": TOKEN}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[\w.]+:\d+", process.stdout.readline())
            assert found is not None
            yield Served(model, found[0])
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "sync_api.Browser", served: Served) -> Iterator["sync_api.Page"]:
    """Return the page with its token; no request leaves the server, no script is refused."""
    page = browser.new_page(viewport={"width": 375, "height": 800})
    page.set_default_timeout(60_000)  # of one step; a busy machine is slow
    asked: list[str] = []
    broken: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda message: broken.append(message.text))
    page.goto(served.address)
    page.wait_for_selector("#token")
    assert "token" in page.inner_text("#error")
    broken.clear()  # the browser writes the status 401 to its console
    page.fill("#token", TOKEN)
    page.press("#token", "Tab")
    page.wait_for_selector("#about:not(:empty)")
    yield page
    assert [url for url in asked if not url.startswith(("blob:", "data:", served.address))] == []
    assert [text for text in broken if "status of 4" not in text] == []
    page.close()


@pytest.fixture(scope="module")
def reader(browser: "sync_api.Browser", served: Served) -> Iterator["sync_api.Page"]:
    """Return the page, whose functions are called."""
    page = browser.new_page()
    page.goto(served.address)
    yield page
    page.close()


def pasted(page: "sync_api.Page", frame: pd.DataFrame, shown: str = "#table td") -> None:
    page.fill("#csv", frame.to_csv(index=False))
    page.click("#go")
    page.wait_for_selector(shown)


def test_the_table_has_the_digits_of_predict_and_the_download_is_the_csv_of_the_server(
    page: "sync_api.Page", served: Served
) -> None:
    frame = sales("north", "new")
    expected = served.model.predict(frame, level=[80, 95])
    page.select_option("#model", "again")
    with page.expect_request("**/forecast*") as asked:
        pasted(page, frame)
    assert "model=again" in asked.value.url
    cells = page.eval_on_selector_all("#table td", "all => all.map(cell => cell.title)")
    names = page.eval_on_selector_all("#table th", "all => all.map(cell => cell.title)")
    table = pd.DataFrame(np.reshape(cells, (-1, len(names))), columns=names)
    written = expected.to_csv(index=False)
    assert table.to_csv(index=False) == written
    with page.expect_download() as download:
        page.click("#download")
    assert Path(download.value.path()).read_text() == written
    asking = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/csv", "Accept": "text/csv"}
    answer = page.request.post(
        f"{served.address}/forecast?model=sales&level=80,95",
        data=frame.to_csv(index=False),
        headers=asking,
    )
    assert answer.text() == written


def test_the_chart_shows_history_forecast_and_intervals_and_reads_them_by_keys(
    page: "sync_api.Page", served: Served
) -> None:
    frame = sales("north", "south")
    last = served.model.predict(frame, level=[80, 95]).query("unique_id == 'south'").iloc[-1]
    pasted(page, frame)
    assert page.locator("#chart .past").count() == page.locator("#chart .ahead").count() == 2
    assert page.locator("#chart .band").count() == 4
    page.locator("#chart").press("End")
    tip = page.inner_text("#tip")
    for name in ("SeasonalNaive", "SeasonalNaive-lo-80", "SeasonalNaive-hi-95"):
        assert f"{last[name]:.2f}" in tip
    assert str(last.ds.date()) in page.inner_text("#spoken")
    page.uncheck(".chip >> text=south")
    assert page.locator("#chart .ahead").count() == 1
    assert "south" not in page.inner_text("#table")
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_warnings_of_predict_are_shown(page: "sync_api.Page", served: Served) -> None:
    frame = sales("north").drop(index=[60, 61])
    with pytest.warns(UserWarning, match="missing") as caught:
        served.model.predict(frame)
    page.fill("#level", "")
    pasted(page, frame)
    assert page.inner_text("#warnings") == str(caught[0].message)


def test_a_mistake_shows_the_message_of_the_server(page: "sync_api.Page") -> None:
    pasted(page, sales("north").rename(columns={"y": "sold"}), "#error:not([hidden])")
    assert "'y'" in page.inner_text("#error")
    assert not page.is_visible("#table")


def sent(page: "sync_api.Page") -> "sync_api.Request":
    """Return what the page sends; the server is not asked."""
    asked = []

    def refuse(route: "sync_api.Route") -> None:
        asked.append(route.request)
        route.fulfill(status=422, json={"error": "not now"})

    page.route("**/forecast*", refuse)
    page.click("#go")
    page.wait_for_selector("text=not now")
    (request,) = asked
    return request


def test_statements_are_sent_with_their_dates(page: "sync_api.Page") -> None:
    page.click("#statements summary")
    page.fill("#events", "2024-03-12 to 2024-03-14: Closed.\nRain.")
    table = sales("north").to_csv(index=False)
    page.fill("#csv", table)
    found = sent(page).post_data_json
    assert found["events"] == [
        {"start": "2024-03-12", "end": "2024-03-14", "text": "Closed."},
        {"start": None, "end": None, "text": "Rain."},
    ]
    assert pd.DataFrame(found["series"]).equals(pd.read_csv(io.StringIO(table)))


def test_a_long_file_is_sent_whole_and_shown_in_part(page: "sync_api.Page") -> None:
    table = sales(*(f"shop {number}" for number in range(30))).to_csv(index=False)
    file = {"name": "shops.csv", "mimeType": "text/csv", "buffer": table.encode()}
    page.set_input_files("#file", file)
    page.wait_for_selector("text=shops.csv: 2,100 rows.")
    assert len(page.input_value("#csv")) < 5000
    assert sent(page).post_data == table


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('a,b\r\n"x, ""y""",2\r\n', [['x, "y"', "2"]]),
        ("\ufeffa;b\n1,5;2\n\n3;", [["1,5", "2"], ["3", ""]]),
        ('a\tb\n"two\nlines"\t2', [["two\nlines", "2"]]),
    ],
)
def test_tables_with_quotes_and_other_separators_are_read(
    reader: "sync_api.Page", text: str, rows: list[list[str]]
) -> None:
    assert reader.evaluate("text => readCsv(text)", text) == {"names": ["a", "b"], "rows": rows}


@pytest.mark.parametrize(
    ("times", "kind", "places"),
    [
        (["2024-01-01", "2024-01-02 00:00:00"], "time", [0, 86_400_000]),
        (["2024-03-30T23:00:00+01:00", "2024-03-31T00:00:00+01:00"], "time", [0, 3_600_000]),
        (["41", "42"], "step", [0, 1]),
        (["2024 Q1", "2024-04-01"], "order", [0, 1]),
    ],
)
def test_times_of_history_and_forecast_share_an_axis(
    reader: "sync_api.Page", times: list[str], kind: str, places: list[int]
) -> None:
    code = """([past, ahead]) => {
        const series = [{past: [{label: past}], ahead: [{label: ahead}]}];
        return [place(series), series[0].past[0].x, series[0].ahead[0].x];
    }"""
    found, *at = reader.evaluate(code, times)
    assert found == kind
    assert [x - at[0] for x in at] == places


def test_an_id_with_markup_stays_text(page: "sync_api.Page") -> None:
    pasted(page, sales(MARKUP, "<script>document.title='run'</script>"))
    page.locator("#chart").press("End")
    for place in ("#table", "#tip", "#chips"):
        assert MARKUP in page.inner_text(place)
    assert page.locator("main img").count() == 0
    assert page.title() != "run"
