"""Fits over workers of Ray: the same result as in one process, whatever was killed."""

import os
import signal

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.callbacks import Callback

from tests.estimators.test_data_set import forecaster, series, stored
from tslm import ConfigError, DataError, TSLMForecaster
from tslm.distributed import fit

pytestmark = pytest.mark.filterwarnings(
    "ignore:On .* validation windows",
    "ignore::ResourceWarning",  # of Ray
    "ignore::DeprecationWarning",  # of Ray
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a data set and of the model that one process fits on it."""
    here = tmp_path_factory.mktemp("alone")
    source = stored(series(), here / "data")
    fit(forecaster(max_steps=6, batch_size=8), source, here / "model")
    return here


def check_same(model, alone):
    expected = TSLMForecaster.load(alone / "model")
    found, wanted = (one.predict(level=[80]).iloc[:, 2:] for one in (model, expected))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert len(model.history_) == 6
    assert (model.strategy, model.devices) == ("auto", 1)


def test_two_workers_of_ray_fit_as_one_process(alone, tmp_path):
    model = forecaster(max_steps=6, batch_size=8)
    done = fit(model, alone / "data", tmp_path / "model", engine="ray", workers=2)
    check_same(done, alone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    assert not (tmp_path / "model/checkpoints").exists()


@pytest.mark.slow
def test_a_fit_goes_on_from_its_checkpoint_after_a_worker_was_killed(alone, tmp_path):
    class Dies(Callback):
        """Kills the second worker once, after the fourth step."""

        def on_train_batch_end(self, trainer, *_):
            with (tmp_path / f"steps-{trainer.global_rank}").open("a") as file:
                file.write(f"{trainer.global_step}\n")
            first = not (tmp_path / "killed").exists()
            if first and trainer.global_rank == 1 and trainer.global_step == 4:
                (tmp_path / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)

    model = forecaster(max_steps=6, batch_size=8, callbacks=[Dies()])
    done = fit(model, alone / "data", tmp_path / "model", engine="ray", workers=2)
    check_same(done, alone)
    steps = list(map(int, (tmp_path / "steps-1").read_text().split()))
    assert steps[:4] == [1, 2, 3, 4]
    assert steps[4] > 1  # it did not begin again
    assert steps[-1] == 6


@pytest.mark.slow
def test_a_users_mistake_is_raised_here(tmp_path):
    source = stored(series().assign(y=np.inf), tmp_path / "data")
    with pytest.raises(DataError, match="infinite in series 's00'"):
        fit(forecaster(), source, tmp_path / "model", engine="ray", workers=2)


def test_workers_need_a_seed(tmp_path):
    with pytest.raises(ConfigError, match="workers=2 needs a random_state"):
        fit(forecaster(random_state=None), series(), tmp_path / "a", engine="ray", workers=2)


def test_an_unknown_engine_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="engine='dask' is unknown"):
        fit(forecaster(), series(), tmp_path / "a", engine="dask")


def test_a_frame_is_fitted_and_saved_in_this_process(alone, tmp_path):
    done = fit(forecaster(max_steps=6, batch_size=8), series(), tmp_path / "a")
    check_same(done, alone)
    pd.testing.assert_frame_equal(TSLMForecaster.load(tmp_path / "a").predict(), done.predict())
