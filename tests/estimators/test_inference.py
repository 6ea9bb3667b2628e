"""A panel forecaster works without the estimator it comes from."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.frames import random_walks
from tslm import TSLMForecaster
from tslm.uncertainty.requested_columns import RequestedColumns

pytestmark = pytest.mark.filterwarnings("ignore")

SCRIPT = """
import pickle, sys
from pathlib import Path
forecaster, panel, request = pickle.loads(Path(sys.argv[1]).read_bytes())
found = forecaster.forecast(panel, 9, request)
Path(sys.argv[2]).write_bytes(pickle.dumps(found))
assert not [name for name in sys.modules if name.startswith(("hydra", "lightning"))]
assert "tslm.estimators.frame_estimator" not in sys.modules
"""


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    fast = {"backbone": "tiny", "max_steps": 3, "accelerator": "cpu", "verbose": 0}
    df = random_walks(90, freq="h")
    return TSLMForecaster(base=None, h=6, adapter="autotimes", random_state=0, **fast).fit(df)


def test_a_fresh_process_forecasts_the_same_bits_from_a_pickle(
    model: TSLMForecaster, tmp_path: Path
) -> None:
    request = RequestedColumns.of(level=[80], num_samples=3)
    given, out = tmp_path / "given", tmp_path / "out"
    given.write_bytes(pickle.dumps((model.panel_forecaster, model.contexts_, request)))
    subprocess.run([sys.executable, "-c", SCRIPT, given, out], check=True)
    found = pickle.loads(out.read_bytes())
    expected = model.predict(h=9, level=[80], num_samples=3)
    assert found.time.shape == (2, 9)
    for name, values in found.named(model.name, request).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_a_panel_forecaster_holds_no_estimator_and_no_frame(model: TSLMForecaster) -> None:
    stored = pickle.dumps(model.panel_forecaster)
    for name in (b"tslm_forecaster", b"omegaconf", b"DataFrame"):
        assert name not in stored
