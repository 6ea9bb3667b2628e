"""Draw the page of the server with a forecast of bike rentals: docs/pictures/page.png.

    python docs/page_picture.py

It fits a model, serves it, and takes the picture in Chromium, in about two minutes.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image

from tslm import TSLMForecaster

BIKES = Path(__file__).parents[1] / "data" / "bike_sharing_hourly.csv.gz"
PICTURE = Path(__file__).parent / "pictures" / "page.png"
SIZE = {"width": 1250, "height": 800}
STATEMENT = "2012-06-13 06:00 to 2012-06-13 20:00: Heavy rain will cut rentals in half."


def main() -> None:
    """Fit, serve, ask, and take a picture."""
    bikes = pd.read_csv(BIKES, parse_dates=["date_time"])
    bikes = pd.DataFrame(
        {"city": "Washington", "hour": bikes.date_time, "rentals": bikes.users.astype(int)}
    )
    known = bikes[(bikes.hour >= "2011-06-01") & (bikes.hour < "2012-06-12")]
    model = TSLMForecaster(
        h=48,
        id_col="city",
        time_col="hour",
        target_col="rentals",
        floor=0,
        max_steps=150,
        random_state=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bikes"
        model.fit(known).save(path)
        command = [sys.executable, "-m", "tslm", "serve", f"model={path}", "port=0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                (address,) = re.findall(r"http://[\w.]+:\d+", server.stdout.readline())
                take(address, known.tail(24 * 40).to_csv(index=False))
            finally:
                server.terminate()


def take(address: str, table: str) -> None:
    """Paste a table, ask for a forecast, and save a picture of the page in 128 colours."""
    from playwright.sync_api import sync_playwright  # only this script needs it

    with sync_playwright() as player:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(address)
        page.fill("#csv", table)
        page.click("#statements summary")
        page.fill("#events", STATEMENT)
        page.click("#go")
        page.wait_for_selector("#chart .ahead", timeout=120_000)
        box = page.locator("#chart").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.805 * box["width"], box["y"] + 120)
        page.evaluate("document.getElementById('csv').scrollTop = 0")
        page.screenshot(path=PICTURE)
        browser.close()
    Image.open(PICTURE).convert("RGB").quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
