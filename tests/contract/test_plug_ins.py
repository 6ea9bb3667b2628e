"""A plug-in adds to every config group: an installed package with a folder ``conf``."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.frames import random_walks
from tslm import BaselineForecaster, ConfigError, TSLMForecaster
from tslm.core.config.build import build
from tslm.core.config.choices import choices, control, node
from tslm.core.config.compose import compose
from tslm.core.spec import Spec
from tslm.data.datasets import benchmarks, competitions
from tslm.evaluation.ablation.arms import Budget
from tslm.interfaces.cli.completion import offered
from tslm.models.backbones.weights.catalog import cards, controls

PARTS = '''
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import softplus

from tslm.models.backbones.controls.bodies import Control
from tslm.models.baselines.classical.naive import Last
from tslm.models.decoders.segment import SegmentDecoder
from tslm.estimators.training.module import Recipe
from tslm.models.backbones.freezing import Strict
from tslm.uncertainty.conformal.residual import Residual
from tslm.uncertainty.distributions.student_t import StudentT, StudentTFamily


class Halved(Control):
    def make(self, reference):
        self.map = nn.Linear(self.width, self.width, bias=False)

    def read(self, embeds, mask=None):
        return self.map(embeds) / 2


class HeavyFamily(StudentTFamily):
    def __call__(self, raw):
        made = super().__call__(raw)
        return StudentT(made.loc, made.scale, made.df.clamp(max=3.0))


class Latest(Last):
    """The last value."""


class Pieces(SegmentDecoder):
    """Segments."""


class Frozen(Strict):
    """Nothing is trained."""


class Wider(Residual):
    """Residuals."""

    name = "wider"


class Slow(Recipe):
    """A recipe."""
'''
GLOBAL = "# @package _global_\n# {0} of the plug-in.\n"
FILES = {
    "backbone/halved": 'description: "half of one linear map"\ncontrol:\n'
    "  _target_: borrowed.parts.Halved\n",
    "backbone/thin": "description: a small body\nlicence: '-'\nn_layers: 1\nseed: 1\nconfig:\n"
    "  {model_type: llama, vocab_size: 384, hidden_size: 16, intermediate_size: 32,\n"
    "   num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2,\n"
    "   max_position_embeddings: 4096, bos_token_id: 1, eos_token_id: 2, pad_token_id: 0}\n",
    "budget/cheap": "budget:\n  seeds: [0]\n  rates: [1.0]\n"
    "  arms:\n    halved: {claim: body, backbone: halved}\n"
    "    latest: {claim: system, model: latest}\n",
    "benchmark/lake": "benchmark:\n  name: Lake\n  file: lake.csv\n  sha256: null\n  source: us\n"
    "  licence: CC0\n  freq: D\n  season_length: 7\n  split: {train: 60, val: 20, test: 20}\n"
    "  horizons: [4]\n  time_column: date\n",
    "benchmark/rivers": "benchmark:\n  kind: m_competition\n  name: Rivers\n"
    "  files: {both: rivers.json}\n  sha256: {both: null}\n  source: us\n  licence: CC0\n"
    "  horizon: 2\n  season_length: 1\n",
    "distribution/heavy": "distribution:\n  _target_: borrowed.parts.HeavyFamily\n",
    "conformal/wider": "conformal:\n  _target_: borrowed.parts.Wider\n",
    "base/latest": "base:\n  _target_: borrowed.parts.Latest\n",
    "model/latest": "model:\n  _target_: borrowed.parts.Latest\n",
    "decoder/pieces": "decoder:\n  _target_: borrowed.parts.Pieces\n",
    "freeze/frozen": "freeze:\n  _target_: borrowed.parts.Frozen\n",
    "trainer/slow": "trainer:\n  _target_: borrowed.parts.Slow\n  schedule: constant\n"
    "  warmup: 0.0\n  weight_decay: 0.0\n  clip: null\n  looks: 2\n  loss: mse\n",
    "experiment/try_lake": "defaults:\n  - override /trainer: slow\n\nlearning_rate: 0.25\n",
}
SMALL = {"h": 4, "context_length": 16, "max_steps": 2, "batch_size": 8, "verbose": 0}
SMALL |= {"adapter": Spec("autotimes", patch_len=4), "backbone": "tiny", "random_state": 1}
pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows?")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with one plug-in."""
    site = tmp_path / "site"
    for name, text in FILES.items():
        path = site / "borrowed" / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if name.startswith("backbone") else GLOBAL.format("A part") + text)
    (site / "borrowed" / "__init__.py").touch()
    (site / "borrowed" / "parts.py").write_text(PARTS)
    notes = site / "borrowed-1.0.dist-info"
    notes.mkdir()
    (notes / "METADATA").write_text("Metadata-Version: 2.1\nName: borrowed\nVersion: 1.0\n")
    (notes / "entry_points.txt").write_text("[tslm.conf]\nborrowed = borrowed\n")
    monkeypatch.syspath_prepend(site)
    return site


@pytest.mark.usefixtures("site")
class TestPlugIn:
    @pytest.mark.parametrize("name", FILES, ids=str)
    def test_every_file_is_a_choice_of_its_group(self, name: str) -> None:
        group, _, own = name.partition("/")
        assert own in choices(group)
        assert f"{group}={own}" in offered(["benchmark", f"{group}={own[:3]}"])

    def test_a_control_takes_the_place_of_the_language_model(self) -> None:
        assert controls()["halved"] == "half of one linear map"
        assert control("halved") is not None
        model = TSLMForecaster(**{"base": None, **SMALL, "backbone": "halved:tiny"}).fit(
            random_walks()
        )
        assert np.isfinite(model.predict()["AutoTimes"]).all()
        assert type(model.model_.backbone).__name__ == "Halved"

    def test_a_named_backbone_is_built(self) -> None:
        assert cards()["thin"].config["hidden_size"] == 16
        model = TSLMForecaster(**{"base": None, **SMALL, "backbone": "thin"}).fit(random_walks())
        assert model.model_.backbone.width == 16

    def test_a_budget_is_read_in_python_and_on_the_command_line(self) -> None:
        assert [arm.name for arm in Budget.of("cheap").arms] == ["halved", "latest"]
        assert list(compose("verb/ablate", ["budget=cheap"]).budget.arms) == ["halved", "latest"]
        report = TSLMForecaster(base=None, **SMALL).ablate(random_walks(), budget="cheap")
        assert {"halved", "latest"} <= set(report["arm"])

    def test_benchmarks_of_both_kinds_are_read(
        self, site: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TSLM_DATA", str(site))
        days = pd.date_range("2024-01-01", periods=100).strftime("%Y-%m-%d")
        pd.DataFrame({"date": days, "depth": np.arange(100.0)}).to_csv(site / "lake.csv")
        (site / "rivers.json").write_text('{"a": {"period": ["YEARLY"], "x": [1, 2], "xx": [3]}}')
        assert "lake" in benchmarks.names()
        assert "rivers" not in benchmarks.names()
        assert benchmarks.load("Lake").borders.test_end == 100
        assert competitions.load(node("benchmark", "rivers")).known["a"].tolist() == [1, 2]
        with pytest.raises(ConfigError, match=r"There is no benchmark 'laek'\. Did you mean lake"):
            benchmarks.load("laek")

    def test_parts_are_used_together(self) -> None:
        parts = {"distribution": "heavy", "base": "latest", "decoder": "pieces"}
        parts |= {"freeze": "frozen", "trainer": "slow", "conformal": "wider"}
        model = TSLMForecaster(**SMALL, **parts).fit(random_walks())
        assert "AutoTimes-lo-80" in model.predict(level=[80])
        used = [type(part).__name__ for part in (model.model_.decoder, model.model_.base)]
        assert used == ["Pieces", "Latest"]
        assert type(model.calibration_).__name__ == "Wider"
        assert BaselineForecaster("latest", h=2, verbose=0).fit(random_walks()).name == "Latest"

    def test_a_decoder_can_be_named_by_the_distribution(self) -> None:
        assert (
            compose("verb/fit", ["decoder=heavy", "data=d", "out=o"]).choices["distribution"]
            == "heavy"
        )

    def test_an_experiment_sets_parts_and_values(self) -> None:
        cfg = compose("verb/benchmark", ["experiment=try_lake"])
        assert (cfg.learning_rate, cfg.choices.trainer) == (0.25, "slow")
        assert type(build(cfg.trainer, learning_rate=1.0, steps=2)).__name__ == "Slow"


def test_without_the_plug_in_nothing_of_it_is_known() -> None:
    assert control("halved") is None
    with pytest.raises(ConfigError, match="budget=cheap is unknown"):
        Budget.of("cheap")


def test_an_unknown_kind_of_benchmark_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"kind='m_contest' is unknown\. Choose one of long_horizon"
    ):
        benchmarks.load({"kind": "m_contest"})


def test_a_backbone_file_that_lacks_a_key_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "odd.yaml").write_text("config: {}\n")
    monkeypatch.setenv("TSLM_CONF", str(tmp_path))
    with pytest.raises(ConfigError, match=r"odd.yaml does not describe a backbone: .*description"):
        cards()
