"""Settings: composed, checked, and never trusted further than their names."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tslm import ConfigError, Spec
from tslm.core.calendar import Calendar
from tslm.core.config.build import build, part_class
from tslm.core.config.choices import choices, node
from tslm.core.config.compose import compose, keys
from tslm.core.config.estimator_settings import configure
from tslm.core.config.hydra_grammar import sweep
from tslm.core.config.schema import listed
from tslm.core.config.validation import complete
from tslm.core.paths import conf_folder
from tslm.core.types import Facts
from tslm.data.datasets.benchmarks import LONG_HORIZON, kind_of, names
from tslm.estimators.factory import estimator_of
from tslm.estimators.saving.values import plain_parameter
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.schedules import Schedule
from tslm.estimators.training.weights import trained_weights
from tslm.estimators.tslm_forecaster import TSLMForecaster
from tslm.evaluation.suite import entrants, groups
from tslm.models.assembly import baseline, forecaster_of, rehearse, settle, task_of
from tslm.models.backbones.weights.catalog import cards, controls
from tslm.uncertainty.conformal.methods import conformal_class

PARTS = {"adapter": "autotimes", "decoder": None, "trainer": "one_cycle"}
FILES = sorted(
    path.relative_to(conf_folder()).with_suffix("") for path in conf_folder().rglob("*.yaml")
)


class TestTrust:
    @pytest.mark.parametrize(
        "target",
        ["os.system", "", "torch.load", "tslm.core.files.write_text", "lightning.Trainer", None],
    )
    def test_only_what_a_yaml_file_names_is_made(self, target: str | None) -> None:
        cfg = OmegaConf.create({"_target_": target})
        for make in (build, part_class):
            with pytest.raises(ConfigError, match="is not trusted: no yaml file of tslm"):
                make(cfg)

    @pytest.mark.parametrize(
        "value",
        [
            {"_target_": "tslm.estimators.training.recipe.Recipe"},
            [1, {"_target_": "torch.load"}],
            [[1]],
            {},
            "${oc.env:HOME}",
            ["a", "${h}"],
        ],
    )
    def test_an_option_is_a_plain_value_wherever_it_comes_from(self, value: Any) -> None:
        cfg = OmegaConf.create(
            {"_target_": "tslm.estimators.training.recipe.Recipe", "looks": value}
        )
        with pytest.raises(ConfigError, match=r"Recipe: looks=.*(must be a number|holds \$\{)"):
            build(cfg, learning_rate=0.1, steps=7)
        with pytest.raises(ConfigError, match=r"adapter.patch_len=.*(must be|holds)"):
            configure({**PARTS, "adapter": Spec("autotimes", patch_len=value)}, {})
        with pytest.raises(ConfigError, match=r"alias=.*(must be|holds)"):
            configure(PARTS, {"alias": value})

    def test_options_of_the_command_line_make_no_objects(self) -> None:
        words = ["data=x", "out=y", "h=3", "backbone=tiny"]
        evil = "{_target_:torch.utils.collect_env.run,command:false}"
        for option in ("adapter.hidden", "+adapter.x", "decoder.hidden", "trainer.looks"):
            with pytest.raises(ConfigError, match=r"must be a number|adapter\.x is not a setting"):
                rehearse(complete(compose("verb/fit", [*words, f"{option}={evil}"])))

    def test_a_refused_target_is_not_even_imported(self, tmp_path: Path, monkeypatch: Any) -> None:
        (tmp_path / "evil_part.py").write_text("raise SystemExit('imported')\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ConfigError, match="evil_part"):
            build(OmegaConf.create({"_target_": "evil_part.run"}))
        assert "evil_part" not in sys.modules

    def test_no_yaml_names_anything_untrusted(self) -> None:
        seen = 0
        for path in conf_folder().rglob("*.yaml"):
            targets = re.findall(r"_target_: *(\S+)", path.read_text())
            assert all(target.startswith("tslm.") for target in targets), path
            seen += len(targets)
        assert seen > 30


class TestBuild:
    def test_parts_come_from_the_yaml_and_from_code(self) -> None:
        cfg = OmegaConf.create({"_target_": "tslm.estimators.training.recipe.Recipe", "looks": 3})
        assert build(cfg, learning_rate=0.1, steps=7) == Recipe(0.1, 7, looks=3)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"warm": 1}, "unexpected keyword argument 'warm'"),
            ({"steps": None}, "missing a required argument: 'steps'"),
        ],
    )
    def test_options_that_do_not_fit_are_named(self, given: dict[str, Any], message: str) -> None:
        settings = {"_target_": "tslm.estimators.training.recipe.Recipe", "steps": 3, **given}
        cfg = OmegaConf.create({k: v for k, v in settings.items() if v is not None})
        with pytest.raises(
            ConfigError, match=f"tslm.estimators.training.recipe.Recipe: .*{message}.*Compare"
        ):
            build(cfg, learning_rate=0.1)


class TestConfigure:
    def test_plain_values_win_over_options_and_options_over_the_yaml(self) -> None:
        plain = configure(PARTS, {})
        assert (plain.adapter.mix, plain.learning_rate) == (1.0, 4e-3)
        options = configure({**PARTS, "adapter": Spec("autotimes", mix=0.5)}, {})
        assert (options.adapter.mix, options.adapter.floor) == (0.5, plain.adapter.floor)
        values = configure(PARTS, {"learning_rate": 0.1, "h": 7, "batch_size": None})
        assert (values.learning_rate, values.h) == (0.1, 7)
        assert values.batch_size == plain.batch_size  # None takes the yaml's

    def test_the_adapter_names_its_decoder_unless_another_is_chosen(self) -> None:
        assert configure(PARTS, {}).choices.decoder == "segment"
        chosen = configure({**PARTS, "decoder": Spec("segment", layers=2)}, {})
        assert chosen.decoder.layers == 2

    @pytest.mark.parametrize("key", ["adapter._target_", "adapter", "hh", "choices.adapter"])
    def test_values_set_shared_settings_only(self, key: str) -> None:
        with pytest.raises(ConfigError, match=f"{key} is not a setting"):
            configure(PARTS, {key: "tslm.evil"})

    @pytest.mark.parametrize(
        ("name", "value"), [("h", "soon"), ("max_steps", 1.5), ("verbose", "loud"), ("h", 0)]
    )
    def test_values_of_the_wrong_type_or_range_are_named(self, name: str, value: Any) -> None:
        with pytest.raises(ConfigError, match=f"{name}="):
            configure(PARTS, {name: value})

    def test_choices_are_names_of_files(self) -> None:
        for name in ("../adapter/autotimes", "autotimes.yaml", "/etc/passwd", ""):
            with pytest.raises(ConfigError, match=r"is unknown\..*Choose one of"):
                configure({**PARTS, "adapter": name}, {})


class TestDistributions:
    """``decoder=DISTRIBUTION`` on the command line."""

    @pytest.mark.parametrize("distribution", choices("distribution"))
    def test_the_decoder_of_the_adapter_gets_that_distribution(self, distribution: str) -> None:
        cfg = compose("verb/fit", ["adapter=time_llm", f"decoder={distribution}", "decoder.keep=7"])
        own = compose("verb/fit", ["adapter=time_llm", "decoder.keep=7"])
        assert cfg.decoder == own.decoder
        assert (
            cfg.distribution == compose("verb/fit", [f"distribution={distribution}"]).distribution
        )
        assert (cfg.choices.distribution, cfg.choices.decoder) == (distribution, "flatten")

    def test_options_of_the_distribution_may_be_written_under_decoder(self) -> None:
        words = ["decoder=quantile", "decoder.quantiles=[0.1,0.5]", "decoder.layers=2"]
        cfg = compose("verb/fit", words)
        assert (cfg.distribution.quantiles, cfg.decoder.layers) == ([0.1, 0.5], 2)
        with pytest.raises(ConfigError, match="quantile is not a setting"):
            compose("verb/fit", ["decoder=quantile", "decoder.quantile=[0.5]"])

    def test_a_layout_does_not_change_the_distribution(self) -> None:
        cfg = compose(
            "verb/fit", ["decoder=flatten", "distribution=mixture", "distribution.members=5"]
        )
        assert (cfg.choices.decoder, cfg.distribution.members) == ("flatten", 5)


class TestFiles:
    @pytest.mark.parametrize("name", FILES, ids=str)
    def test_every_yaml_composes(self, name: Path) -> None:
        group = name.parts[0]
        if group in ("columns", "config", "files", "verb"):
            compose(str(name))
        elif group == "backbone":
            assert name.name in controls() or cards()[name.name].name == name.name
        elif group == "conformal":
            assert compose("verb/fit", [f"conformal={name.name}"]).conformal == name.name
            assert conformal_class(name.name).name == name.name
        elif group == "schedule":
            complete(compose("verb/benchmark", [f"trainer.schedule={name.name}"]))
            assert issubclass(part_class(node("schedule", name.name)), Schedule)
        elif group == "suite":
            assert groups.load(name.name).tasks
        elif group == "entrant":
            found = entrants.find(name.name)
            members = [name.name] if found.combination is None else found.combination[1]
            for part in members:
                entrants.find(part).estimator(h=4).check_params()
        elif group == "budget":
            assert compose("verb/ablate", [f"budget={name.name}"]).choices.budget == name.name
        elif group == "benchmark":
            kind = kind_of(OmegaConf.load(conf_folder() / f"{name}.yaml").benchmark)
            assert (name.name in names()) == (kind == LONG_HORIZON)
            compose("verb/benchmark", [f"benchmark={name.name}"])
        else:
            cfg = compose("verb/benchmark", [f"{group}={name.name}"])
            assert group == "experiment" or cfg.choices[group] == name.name
            estimator = estimator_of(complete(cfg))
            estimator.check_params()
            params = estimator.get_params(deep=False)
            json.dumps(
                {key: plain_parameter(value) for key, value in params.items()}
            )  # so it can be saved

    def test_the_estimator_and_the_yaml_have_the_same_defaults(self) -> None:
        params = TSLMForecaster().get_params(deep=False)
        cfg = compose()
        for name, value in params.items():
            if name in cfg and name not in (
                *TSLMForecaster.parts,
                "learning_rate",
                "batch_size",
            ):
                assert cfg[name] == value, name

    def test_an_experiment_sets_values_and_the_command_line_overrides_them(self) -> None:
        words = ["experiment=autotimes_ett_paper", "batch_size=8"]
        cfg = compose("verb/benchmark", words)
        chosen = (cfg.choices.rollout, cfg.choices.trainer, cfg.batch_size)
        assert chosen == ("sliding", "cosine", 8)
        model = estimator_of(cfg)
        assert model.adapter.options["timestamps"] == "text"

    @pytest.mark.parametrize("name", choices("experiment"))
    def test_every_experiment_makes_an_estimator(self, name: str) -> None:
        cfg = complete(compose("verb/benchmark", [f"experiment={name}"]))
        cfg.backbone = "tiny"
        model = estimator_of(cfg).set_params(freq="h", season_length=24)
        model.check_params()
        params = model.stored_params()
        parts = {part: params.pop(part) for part in model.parts}
        settled = settle(configure(parts, params), Facts(cfg.h, 24, 8640))
        task = task_of(settled, 24, Calendar("h"))
        made = baseline(settled.model, task) if "model" in parts else forecaster_of(settled, task)
        assert trained_weights(made)


class TestWords:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["max_step=3"], r"max_step is not a setting: did you mean max_steps\?"),
            (["adapter.patchlen=3"], r"adapter.patchlen .* did you mean adapter.patch_len\?"),
            (
                ["patch_len=3"],
                r"patch_len is not a setting: did you mean adapter.patch_len|patch_len\?",
            ),
            (["adapter=autotime"], r"adapter=autotime is unknown. Did you mean autotimes\?"),
            (["trainer=onecicle"], r"trainer=onecicle is unknown. Did you mean one_cycle\?"),
            (["h"], "h is not a setting. Settings are key=value"),
            (["h=[1"], r"h=\[1 cannot be read"),
        ],
    )
    def test_what_is_misspelt_is_found(self, words: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            compose("verb/fit", words)

    @pytest.mark.parametrize("name", ["tiny", "org/some-model", "./a folder/b.gguf", "random:x"])
    def test_the_backbone_is_any_name_or_path(self, name: str) -> None:
        assert compose("verb/fit", [f"backbone='{name}'"]).backbone == name
        if " " not in name:
            assert compose("verb/fit", ["h=3", f"backbone={name}"]).backbone == name

    def test_a_command_without_a_backbone_refuses_that_setting(self) -> None:
        with pytest.raises(ConfigError, match="backbone is not a setting: known: results"):
            compose("verb/table", ["backbone=tiny"])

    def test_what_is_missing_is_named(self) -> None:
        with pytest.raises(ConfigError, match=r"data is not given. Add data=sales\.csv"):
            complete(compose("verb/fit", ["out=x"]))

    @pytest.mark.parametrize(
        ("verb", "word", "message"),
        [
            ("backtest", "n_windows=two", "n_windows='two' must be a whole number"),
            ("backtest", "step_size=0", "step_size=0 must be a whole number"),
            ("benchmark", "stride=0", "stride=0 must be"),
            ("speed", "rounds=true", "rounds=True must be"),
            ("fit", "overwrite=no", "overwrite='no' must be true or false"),
            ("predict", "download=maybe", "download='maybe' must be true or false"),
            ("fit", "h=soon", "h='soon'"),
            ("fit", "max_steps=1.5", "max_steps=1.5"),
            ("fit", "verbose=loud", "verbose='loud'"),
            ("fit", "h=-2", "h=-2 must be at least 1"),
        ],
    )
    def test_settings_of_the_wrong_kind_are_named(self, verb: str, word: str, message: str) -> None:
        given = {"fit": ["data=d", "out=o"], "backtest": ["data=d", "out=o.csv"]}
        given |= {"predict": ["model=m", "out=o.csv"]}
        with pytest.raises(ConfigError, match=message):
            complete(compose(f"verb/{verb}", [*given.get(verb, []), word]))

    def test_a_sweep_is_every_combination(self) -> None:
        jobs = sweep(["h=12,24", "adapter.mix=0,1", "levels=[80,95]", "out='a,b.csv'"])
        assert [job[:2] for job in jobs] == [
            [f"h={h}", f"adapter.mix={mix}"] for h in (12, 24) for mix in (0, 1)
        ]
        assert all(job[2:] == ["levels=[80,95]", "out='a,b.csv'"] for job in jobs)
        assert sweep(["h=range(1,4)"]) == [["h=1"], ["h=2"], ["h=3"]]
        with pytest.raises(ConfigError):
            sweep(["h=[1"])

    def test_a_single_value_is_a_list_of_one(self) -> None:
        assert listed(None) is None
        assert listed(80) == [80]
        assert listed("last") == ["last"]
        assert listed(OmegaConf.create([1, 2])) == [1, 2]

    def test_keys_are_dotted_and_without_targets(self) -> None:
        found = keys(compose("verb/fit"))
        assert {"h", "adapter.patch_len", "trainer.schedule", "data"} <= set(found)
        assert not any("_target_" in key for key in found)

    def test_groups_offer_their_files(self) -> None:
        assert "autotimes" in choices("adapter")
        assert {"one_cycle", "cosine"} <= set(choices("trainer"))
