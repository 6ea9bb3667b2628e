"""Numbers in float64 where a device has none."""

import re
from pathlib import Path

import pytest
import torch

import tslm
from tslm.core import float64 as exact
from tslm.models.layers.lpc.codebook import Codebook


def test_float64_stays_on_the_cpu_where_a_device_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "WITHOUT_FLOAT64", frozenset({"meta"}))
    assert exact.home(torch.device("meta")) == torch.device("cpu")
    book = Codebook(4, 3).to("meta")
    placed = {tensor.dtype: tensor.device.type for tensor in book.state_dict().values()}
    assert placed == {torch.float64: "cpu", torch.bool: "meta"}


def test_float64_follows_its_module_where_a_device_has_it() -> None:
    book = Codebook(4, 3).to("meta")
    assert {tensor.device.type for tensor in book.state_dict().values()} == {"meta"}
    assert exact.exactly(torch.ones(2)).dtype == torch.float64


def test_one_function_alone_converts_tensors_of_a_device_to_float64() -> None:
    package = Path(tslm.__file__).parent
    for folder in ("core", "models", "uncertainty", "estimators"):  # data are on the CPU
        files = list((package / folder).rglob("*.py"))
        assert len(files) > 10, folder
        for file in files:
            text = file.read_text().replace(".cpu().double()", "")
            assert not re.search(r"[.]double[(]|[.]to[(]torch[.](float64|double)", text) or (
                file == Path(exact.__file__)
            ), file
