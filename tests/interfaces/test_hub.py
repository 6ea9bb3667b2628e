"""Sharing, against a hub of our own on the loopback: nothing leaves this machine."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, hf_api

from tests.frames import weekly
from tslm import ConfigError, DataError, TslmError, TSLMForecaster
from tslm.core.config.compose import compose
from tslm.interfaces.hub import HubModel, card, pull, push

pytestmark = pytest.mark.filterwarnings("ignore")
SHA = "5" * 40


class Hub(BaseHTTPRequestHandler):
    """The few answers of a hub that a push and a pull need."""

    files: dict[str, bytes]
    made: dict[str, Any]
    public: bool

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/repos/create"):
            Hub.made = json.loads(body)
            self.answer({"url": f"http://{self.headers['Host']}/me/sales"})
        elif self.path.endswith("/validate-yaml"):
            self.answer({"warnings": [], "errors": []})
        elif "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = [
                {"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths
            ]
            self.answer({"files": modes})
        elif "/commit/" in self.path:
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    self.files[value["path"]] = base64.b64decode(value["content"])
            url = f"http://{self.headers['Host']}/me/sales/commit/{SHA}"
            self.answer({"commitUrl": url, "commitOid": SHA, "success": True})
        else:
            self.answer({"error": self.path}, 404)

    def do_GET(self) -> None:
        found = re.search(r"/resolve/[^/]+/([^?]+)", self.path)
        name = found[1] if found else ""
        if found and name not in self.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", SHA)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif found:
            content = self.files[name]
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", SHA)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)
        elif "/tree/" in self.path:
            self.answer(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": SHA}
                    for name, content in self.files.items()
                ]
            )
        elif self.path.startswith("/api/models/me/sales"):
            siblings = [{"rfilename": name} for name in self.files]
            found = {"id": "me/sales", "sha": SHA, "siblings": siblings, "tags": []}
            self.answer({**found, "private": not self.public})
        else:
            self.answer({"error": self.path}, 404)

    do_HEAD = do_GET  # noqa: N815

    def answer(self, value: Any, code: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """The files of the only repository of a hub on the loopback."""
    Hub.files, Hub.made, Hub.public = {}, {}, False
    monkeypatch.delenv("TSLM_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for module in (constants, hf_api, huggingface_hub.file_download, huggingface_hub.hf_api):
        for name in ("ENDPOINT", "_CACHED_ENDPOINT"):
            if name in vars(module):
                monkeypatch.setattr(module, name, address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, huggingface_hub.file_download):
        if "HUGGINGFACE_CO_URL_TEMPLATE" in vars(module):
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(hf_api.api, "endpoint", address)
    monkeypatch.setenv("HF_TOKEN", "none")
    yield Hub.files
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    model = TSLMForecaster(base=None, h=7, backbone="tiny", max_steps=2, random_state=0, verbose=0)
    return model.set_params(accelerator="cpu").fit(weekly())


def test_a_pushed_model_is_pulled(
    hub: dict[str, bytes], model: TSLMForecaster, tmp_path: Path
) -> None:
    address = push(model, "me/sales")
    assert address.endswith(f"/me/sales/commit/{SHA}")
    assert {"README.md", "model.json", "weights.safetensors", "history.safetensors"} <= set(hub)
    assert max(map(len, hub.values())) < 100_000  # no language model among them
    again = pull("me/sales", cache_dir=tmp_path / "cache")
    assert again.predict().equals(model.predict())


def test_the_command_line_pushes_in_private_too() -> None:
    assert compose("verb/push", ["model=m", "repo=me/sales"]).private is True


def test_a_model_is_pushed_in_private_unless_the_user_asks_for_public(
    hub: dict[str, bytes], model: TSLMForecaster
) -> None:
    push(model, "me/sales")
    assert Hub.made.get("private") or Hub.made.get("visibility") == "private"
    push(model, "me/sales", private=False)
    assert not Hub.made.get("private")
    assert Hub.made.get("visibility") != "private"
    Hub.public = True
    with pytest.raises(ConfigError, match=r"me/sales already exists and is public"):
        push(model, "me/sales")
    push(model, "me/sales", private=False)


def test_rows_of_series_are_not_pushed_if_asked(
    hub: dict[str, bytes], model: TSLMForecaster, tmp_path: Path
) -> None:
    push(model, "me/sales")
    assert b"the id, the scale and the last" in hub["README.md"]
    push(model, "me/sales", history=False)
    assert b"no rows, ids or scales of series" in hub["README.md"]
    facts = json.loads(hub["model.json"])
    assert facts["ids"]["values"] == []
    assert facts["report"] is None
    again = pull("me/sales", cache_dir=tmp_path / "cache")
    with pytest.raises(DataError, match=r"saved without rows of series \(history=False\). Pass df"):
        again.predict()
    assert len(again.predict(weekly(), level=[80])) == 7


def test_offline_means_offline(
    hub: dict[str, bytes], model: TSLMForecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSLM_OFFLINE", "1")
    for ask in (lambda: push(model, "me/sales"), lambda: pull("me/sales")):
        with pytest.raises(TslmError, match=r"'me/sales' cannot be reached because TSLM_OFFLINE"):
            ask()
    assert not hub


def test_an_altered_download_is_refused(
    hub: dict[str, bytes], model: TSLMForecaster, tmp_path: Path
) -> None:
    push(model, "me/sales")
    hub["weights.safetensors"] = hub["weights.safetensors"][:-1] + b"x"
    with pytest.raises(DataError, match="missing, damaged or altered"):
        pull("me/sales", cache_dir=tmp_path / "cache")


def test_a_refusal_of_the_hub_is_one_line(
    hub: dict[str, bytes],
    model: TSLMForecaster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse = lambda self: self.answer({"error": "no"}, 403)  # noqa: E731
    for ask in ("do_GET", "do_HEAD", "do_POST"):
        monkeypatch.setattr(Hub, ask, refuse)
    with pytest.raises(
        TslmError, match=r"hub reports for 'me/sales': .*connection.*logged in"
    ) as none:
        pull("me/sales", cache_dir=tmp_path / "cache")
    assert "\n" not in str(none.value)
    with pytest.raises(TslmError, match="hub reports for 'not a name': "):
        pull("not a name", cache_dir=tmp_path / "cache")
    with pytest.raises(TslmError, match="hub reports for 'me/sales': 403"):
        push(model, "me/sales")


def test_a_folder_is_a_hub_too(model: TSLMForecaster, tmp_path: Path) -> None:
    HubModel(model).save_pretrained(tmp_path / "sales")
    assert pull(str(tmp_path / "sales")).predict().equals(model.predict())
    assert (tmp_path / "sales" / "README.md").read_text().startswith("---\nlibrary_name: tslm")


def test_the_card_shows_results_beside_baselines_and_the_ablation(model: TSLMForecaster) -> None:
    text = card(model)
    for name in ("AutoTimes", "last", "seasonal_naive", "profile_ar"):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
        entry = next(entry for entry in model.verdict_.entries if entry.model == name)
        assert f"{entry.mse:.4f}" in row
    assert "Not tested yet" in text


ABLATION: dict[str, Any] = {
    "data": "sales",
    "model": "AutoTimes",
    "arms": [
        {"horizon": 7, "arm": "llm", "mse": 0.5, "mae": 0.25, "verdict": ""},
        {"horizon": 7, "arm": "none", "mse": 0.75, "mae": 0.5, "verdict": "helps"},
    ],
    "answers": [{"sentence": "Horizon 7. Does the language model help? It helps."}],
}


def test_the_card_has_a_row_for_each_arm_of_an_ablation(
    hub: dict[str, bytes], model: TSLMForecaster, tmp_path: Path
) -> None:
    file = tmp_path / "ablation.json"
    file.write_text(json.dumps(ABLATION))
    push(model, "me/sales", ablation=file)
    page = hub["README.md"].decode()
    assert "| 7 | none | 0.7500 | 0.5000 | helps |" in page
    assert "- Horizon 7. Does the language model help? It helps." in page
    assert "Not tested yet" not in page


def test_an_ablation_of_another_model_or_no_ablation_at_all_is_refused(
    model: TSLMForecaster, tmp_path: Path
) -> None:
    file = tmp_path / "ablation.json"
    file.write_text(json.dumps({**ABLATION, "model": "TimeLLM"}))
    with pytest.raises(ConfigError, match="is of TimeLLM, but the model is AutoTimes"):
        HubModel(model, file)
    row = ABLATION["arms"][0]
    for wrong in ({"arms": [{**row, "mse": "NaN"}]}, {"arms": [{**row, "arm": 3}]}, {"data": None}):
        file.write_text(json.dumps({**ABLATION, **wrong}))
        with pytest.raises(DataError, match="not the result of an ablation"):
            HubModel(model, file)
    file.write_text("[]")
    with pytest.raises(DataError, match="not the result of an ablation"):
        HubModel(model, file)
    with pytest.raises(DataError, match=r"elsewhere.json cannot be read \(No such file"):
        HubModel(model, tmp_path / "elsewhere.json")


def test_text_of_a_file_is_escaped_in_the_card(model: TSLMForecaster, tmp_path: Path) -> None:
    file = tmp_path / "ablation.json"
    arm = {**ABLATION["arms"][0], "arm": "a | b\n<script>"}
    file.write_text(json.dumps({**ABLATION, "arms": [arm]}))
    text = card(model, HubModel(model, file).findings)
    assert "<script>" not in text
    assert "| 7 | a &#124; b &#60;script&#62; | 0.5000 |" in text


@pytest.fixture
def silent(hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub that answers no question; the questions that it was asked."""
    asked: list[str] = []
    end = threading.Event()

    def wait(self: Hub) -> None:
        asked.append(self.path)
        end.wait(60)

    for ask in ("do_GET", "do_HEAD", "do_POST"):
        monkeypatch.setattr(Hub, ask, wait)
    monkeypatch.setattr("tslm.interfaces.hub.HUB_TIMEOUT", 0.2)
    yield asked
    end.set()


@pytest.mark.parametrize("private", [True, False])
def test_a_hub_that_does_not_answer_is_one_message_and_no_hang(
    silent: list[str], model: TSLMForecaster, private: bool
) -> None:
    with pytest.raises(TslmError, match=r"hub reports for 'me/sales': .*timed out"):
        push(model, "me/sales", private=private)
    assert len(silent) == 1


def test_a_model_that_cannot_be_fetched_is_asked_for_once(
    hub: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[str] = []

    def close(self: Hub) -> None:
        asked.append(self.path)
        self.connection.close()

    for ask in ("do_GET", "do_HEAD"):
        monkeypatch.setattr(Hub, ask, close)
    with pytest.raises(TslmError, match="hub reports for 'me/sales'"):
        pull("me/sales", cache_dir=tmp_path / "cache")
    assert len(asked) == 1
    assert not caplog.records
