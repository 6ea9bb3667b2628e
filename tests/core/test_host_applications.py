"""Host applications: Hydra, threads, signals, and the types of other libraries."""

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose as app_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.version import VersionBase
from omegaconf import OmegaConf

from tests.frames import random_walks
from tslm import BaselineForecaster, ConfigError, Spec, TSLMForecaster, TSLMWindowRegressor
from tslm.core import paths as folders
from tslm.core.config import compose as composing
from tslm.core.seeds import seeded
from tslm.interfaces.cli import main as cli
from tslm.models.backbones import loading

pytestmark = pytest.mark.filterwarnings(
    "ignore:On .* validation windows", "ignore:On the last training windows"
)
TINY: dict[str, Any] = {
    "h": 3, "backbone": "tiny", "max_steps": 3, "accelerator": "cpu", "random_state": 0,
    "verbose": 0, "context_length": 12,
}  # fmt: skip
RULES = ["last", "mean", "drift", "seasonal_naive", "profile", "profile_ar", "ar", "ridge_profile"]


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("settings are composed, or packages looked through")


@pytest.fixture
def uncached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are composed anew: caches depend on the folders of settings."""
    (tmp_path / "conf").mkdir()
    monkeypatch.setenv("TSLM_CONF", str(tmp_path / "conf"))


@pytest.fixture(scope="module")
def alone() -> dict[str, pd.DataFrame]:
    """Return forecasts of two models that were fitted without other threads."""
    makers = {"s2ip": small("s2ip"), "autotimes": small("autotimes")}
    return {name: make().fit(random_walks()).predict() for name, make in makers.items()}


def small(adapter: str) -> Callable[[], TSLMForecaster]:
    options = {"n_anchors": 8, "n_retrieved": 2} if adapter == "s2ip" else {"hidden": 8}
    return lambda: TSLMForecaster(base=None, **TINY, adapter=Spec(adapter, patch_len=3, **options))


class TestThreads:
    def test_settings_are_composed_by_eight_at_once(self, uncached: None) -> None:
        df = random_walks()
        with ThreadPoolExecutor(8) as pool:
            fitted = list(pool.map(lambda rule: BaselineForecaster(rule, h=3).fit(df), RULES))
            ahead = list(pool.map(lambda model: model.predict(), fitted))
        assert len({table.columns[2] for table in ahead}) == len(RULES)

    def test_fits_in_threads_have_the_bits_of_single_fits(
        self, alone: dict[str, pd.DataFrame]
    ) -> None:
        names, df = ["autotimes", "s2ip", "autotimes"], random_walks()
        with warnings.catch_warnings():  # pytest's filters are of the process, as threads are
            warnings.simplefilter("ignore")
            with ThreadPoolExecutor(3) as pool:
                found = list(pool.map(lambda name: small(name)().fit(df).predict(), names))
        for name, ahead in zip(names, found, strict=True):
            pd.testing.assert_frame_equal(ahead, alone[name], check_exact=True)

    def test_loading_during_a_fit_changes_no_bit(
        self, alone: dict[str, pd.DataFrame], tmp_path: Path
    ) -> None:
        small("s2ip")().fit(random_walks()).save(tmp_path / "m")
        ended = threading.Event()

        def load() -> None:
            while not ended.is_set():
                TSLMForecaster.load(tmp_path / "m")

        other = threading.Thread(target=load)
        other.start()
        ahead = small("autotimes")().fit(random_walks()).predict()
        ended.set()
        other.join()
        pd.testing.assert_frame_equal(ahead, alone["autotimes"], check_exact=True)

    def test_backbones_are_loaded_during_a_fit_without_a_deadlock(self) -> None:
        asked = threading.Event()

        def load() -> None:
            asked.set()
            loading.load("tiny", 1, torch.float64)

        with seeded(0):
            other = threading.Thread(target=load, daemon=True)
            other.start()
            asked.wait(10)
            loading.load("tiny", 2, torch.float64)  # no other test has loaded it in this precision
        other.join(30)
        assert not other.is_alive()

    def test_the_generator_is_free_again_after_an_error(self) -> None:
        before = torch.get_rng_state()
        with pytest.raises(RuntimeError), seeded(1), seeded(2):  # a fit inside a fit
            raise RuntimeError
        assert torch.equal(torch.get_rng_state(), before)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: seeded(3).__enter__() is None).result(timeout=10)


class TestHydraApplications:
    def test_fit_and_predict_inside_one(self, uncached: None, tmp_path: Path) -> None:
        (tmp_path / "app.yaml").write_text("h: 3\n")
        with initialize_config_dir(str(tmp_path), version_base="1.2"):
            own, base = GlobalHydra.instance().hydra, VersionBase.instance().getbase()
            ahead = BaselineForecaster("last", h=app_compose("app").h).fit(random_walks()).predict()
            assert GlobalHydra.instance().hydra is own
            assert VersionBase.instance().getbase() == base
            assert app_compose("app").h == 3
        assert len(ahead) == 6
        assert not GlobalHydra.instance().is_initialized()

    def test_schemas_of_an_application_stay_out_of_ours(
        self, uncached: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ConfigStore.instance(), "repo", ConfigStore.instance().repo.copy())
        ConfigStore.instance().store("config", {"db": {"port": 3306}})
        ConfigStore.instance().store("theirs", {"x": 1}, group="model")
        assert "db" not in composing.compose()
        with pytest.raises(ConfigError, match="model=theirs is unknown"):
            composing.compose("config", ["model=theirs"])


class TestWithoutHydra:
    def test_fit_composes_nothing_with_it(
        self, uncached: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", refuse)
        for model in (small("autotimes")(), BaselineForecaster("profile_ar", h=3)):
            model.fit(random_walks())
            model.predict(level=[50])

    def test_a_command_composes_once(
        self, uncached: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        random_walks().to_csv(tmp_path / "sales.csv", index=False)
        plain, calls = ConfigLoaderImpl.load_configuration, []

        def counted(*args: Any, **kwargs: Any) -> Any:
            calls.append(args)
            return plain(*args, **kwargs)

        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
        words = ["model=profile_ar", "h=3", f"data={tmp_path}/sales.csv", f"out={tmp_path}/m", "-q"]
        with pytest.raises(SystemExit, match="0"):
            cli.main(["fit", *words])
        assert len(calls) == 1


class TestPredict:
    def test_it_merges_no_settings(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        model = small("autotimes")().fit(random_walks())
        rule = BaselineForecaster("profile_ar", h=3).fit(random_walks())
        prompted = TSLMForecaster(
            base=None,
            **TINY,
            adapter=Spec("time_llm", patch_len=3, n_prototypes=4),
            prompt="{unique_id}",
        ).fit(random_walks())
        monkeypatch.setenv("TSLM_CONF", str(tmp_path))  # nothing is cached of this folder
        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", refuse)
        monkeypatch.setattr(OmegaConf, "load", refuse)
        monkeypatch.setattr(folders, "entry_points", refuse)
        for fitted in (model, rule, prompted):
            fitted.predict(random_walks(), level=[50])
            fitted.predict()
        assert (model.name, rule.name, prompted.name) == ("AutoTimes", "ProfileAR", "TimeLLM")

    def test_a_fitted_model_is_called_as_it_was_fitted(self) -> None:
        rule = BaselineForecaster("last", h=3).fit(random_walks()).set_params(model="mean")
        assert rule.predict().columns[2] == "Last"
        assert rule.cross_validation(random_walks(), baselines="drift").columns[4:].tolist() == [
            "Mean",
            "drift",
        ]
        assert rule.set_params(alias="x").predict().columns[2] == "x"

    def test_levels_below_one_percent_warn(self) -> None:
        rule = BaselineForecaster("last", h=3).fit(random_walks())
        with pytest.warns(UserWarning, match=r"write level=\[80\] for 80 percent"):
            rule.predict(level=[0.8])


class TestTypesOfOthers:
    @pytest.mark.parametrize(
        "given",
        [
            {"h": np.int64(3)},
            {"val_size": np.int32(6)},
            {"random_state": np.uint8(1)},
            {"season_length": np.int64(7)},
            {"freq": pd.offsets.Day()},
            {"freq": pd.Timedelta(days=1)},
            {"alias": np.str_("m")},
            {"calendar": np.True_},
            {"verbose": False},
            {"futr_exog": np.array(["x"])},
            {"futr_exog": pd.Index(["x"])},
            {"hist_exog": ("x",)},
            {"model": Spec("profile_ar", order=np.int64(4))},
            {"model": Spec("ridge_profile", penalties=np.array([1.0, 2.0]))},
        ],
        ids=str,
    )
    def test_settings_accept_values_of_other_libraries(
        self, given: dict[str, Any], tmp_path: Path
    ) -> None:
        df = random_walks().assign(x=1.0)
        model = BaselineForecaster("last", h=3).set_params(**given).fit(df)
        model.save(tmp_path / "m")
        again = BaselineForecaster.load(tmp_path / "m")
        futr = None
        if "futr_exog" in given:
            futr = model.make_future_dataframe().assign(x=1.0)
        pd.testing.assert_frame_equal(again.predict(futr_df=futr), model.predict(futr_df=futr))

    def test_numbers_of_a_grid_set_the_rate(self) -> None:
        model = TSLMForecaster(base=None, **TINY).set_params(learning_rate=np.float32(0.25))
        assert model.settled_rate == 0.25
        rule = BaselineForecaster("last", h=3).set_params(max_steps=np.int64(2))
        assert rule.fit(random_walks()).config_.max_steps == 2

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("h", "7"),
            ("h", np.float64(7)),
            ("val_size", "14"),
            ("random_state", np.random.RandomState(0)),
            ("random_state", 2**64),
            ("learning_rate", float("nan")),
            ("freq", ["D"]),
            ("id_col", "y"),
            ("devices", 1.5),
            ("prompt", "${oc.env:HOME}"),
            ("adapter", ["time_llm"]),
            ("adapter", TSLMForecaster),
        ],
        ids=str,
    )
    def test_what_no_setting_can_be_is_refused(self, name: str, value: Any) -> None:
        with pytest.raises(ConfigError, match=name):
            TSLMForecaster(base=None, **TINY).set_params(**{name: value}).fit(random_walks())

    def test_options_of_parts_are_set_in_every_estimator(self) -> None:
        model = TSLMWindowRegressor(adapter="time_llm").set_params(adapter__patch_len=6)
        assert model.adapter == Spec("time_llm", patch_len=6)
        with pytest.raises(ConfigError, match="decoder is None, so it has no options to set"):
            model.set_params(decoder__layers=2)


SLOW = """
import signal, sys, threading, time, os
import numpy as np, pandas as pd
from tslm.interfaces.cli import main as cli
from tslm.data.samplers import RandomWindows
plain = RandomWindows.batch
def batch(self, step):
    if step == 3:
        os.kill(os.getpid(), signal.{signal})
        time.sleep(0.5)
    return plain(self, step)
RandomWindows.batch = batch
cli.main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_command_has_its_exit_code(name: str, code: int, tmp_path: Path) -> None:
    random_walks().to_csv(tmp_path / "sales.csv", index=False)
    words = "fit data=sales.csv out=m h=3 base=null backbone=tiny max_steps=50 accelerator=cpu"
    words += " verbose=0"
    script = SLOW.replace("{signal}", name)
    done = subprocess.run(
        [sys.executable, "-c", script, *words.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_clears_drafts(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, time, types\n"
        "from tslm.core.atomic_write import beside\n"
        "from tslm.interfaces.cli import main as cli, verbs\n"
        "def work(words):\n"
        "    with beside(pathlib.Path('t.csv')) as draft:\n"
        "        draft.write_text('half')\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(5)\n"
        "verbs.OTHERS['work'] = types.SimpleNamespace(load=lambda: work)\n"
        "cli.main(['work'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is not None


def test_characters_a_terminal_cannot_show_are_replaced(tmp_path: Path) -> None:
    script = (
        "import types\n"
        "from tslm.interfaces.cli import main as cli, verbs\n"
        "verbs.OTHERS['work'] = types.SimpleNamespace(load=lambda: lambda words: print('±'))\n"
        "cli.main(['work'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "?\n")
