"""The same application under Ray Serve."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.frames import random_walks
from tslm import BaselineForecaster
from tslm.serving import Limits, deployment

ROOT = str(Path(__file__).parents[2])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_deployment_forecasts_as_predict(tmp_path):
    import ray
    from ray import serve

    fitted = BaselineForecaster("drift", h=3, verbose=0).fit(random_walks(40))
    fitted.save(tmp_path / "walks")
    environment = {"env_vars": {"PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}}
    options = {"include_dashboard": False, "log_to_driver": False, "runtime_env": environment}
    ray.init(num_cpus=2, **options)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": 8765})
        serve.run(deployment(tmp_path / "walks", Limits(request_values=500)), route_prefix="/")
        address = "http://127.0.0.1:8765"
        assert httpx.get(f"{address}/health").json()["status"] == "ok"
        frame = random_walks(20, ["new"], seed=1)
        table = {"unique_id": ["new"] * 20, "ds": frame.ds.astype(str).tolist()}
        asked = {"series": {**table, "y": frame.y.tolist()}, "h": 5}
        answer = httpx.post(f"{address}/forecast", json=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        column = answer.json()["forecast"][fitted.name]
        np.testing.assert_allclose(column, fitted.predict(frame, h=5)[fitted.name])
        assert httpx.post(f"{address}/forecast", json={**asked, "h": 900}).status_code == 413
    finally:
        serve.shutdown()
        ray.shutdown()
