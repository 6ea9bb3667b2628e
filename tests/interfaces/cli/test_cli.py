"""The command line: files in, files out, one clear message when something is wrong."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from tests.command import command
from tests.frames import random_walks
from tslm import TSLMForecaster, __version__
from tslm.core.paths import conf_folder
from tslm.interfaces.cli.verbs import ALL, VERBS, overview

CONF = conf_folder()
pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
FAST = ["backbone=tiny", "max_steps=3", "accelerator=cpu", "h=6", "random_state=0", "verbose=0"]
FAST += ["base=null"]


def fast(*words: str) -> list[str]:
    """``FAST``, but for what these words set."""
    keys = {word.partition("=")[0] for word in words}
    return [*(word for word in FAST if word.partition("=")[0] not in keys), *words]


class Result(NamedTuple):
    code: Any
    out: str
    err: str


@pytest.fixture
def tslm(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The command, called in an empty folder of its own."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def call(*words: object) -> Result:
        code = command(*words)
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    random_walks().to_csv(path, index=False)
    return path


def files(folder: Path) -> Sequence[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


MODEL = ["history.safetensors", "model.json", "weights.safetensors"]


class TestWork:
    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_fit_then_predict_from_another_folder(
        self, tslm: Any, tmp_path: Path, ending: str
    ) -> None:
        data, out = tmp_path / f"sales.{ending}", tmp_path / f"deep/er/forecast.{ending}"
        df = random_walks()
        df.to_csv(data, index=False) if ending == "csv" else df.to_parquet(data)
        done = tslm("fit", f"data={data}", f"out={tmp_path}/runs/a", *FAST)
        assert (done.code, done.out.splitlines()[-1]) == (0, f"saved {tmp_path}/runs/a")
        assert "profile_ar" in done.out
        done = tslm("predict", f"model={tmp_path}/runs/a", f"data={data}", f"out={out}", "h=9")
        assert done.code == 0, done.err
        assert done.out == f"wrote 18 rows to {out}\n"
        ahead = pd.read_csv(out, parse_dates=["ds"]) if ending == "csv" else pd.read_parquet(out)
        expected = TSLMForecaster.load(tmp_path / "runs/a").predict(h=9)
        pd.testing.assert_frame_equal(ahead, expected, check_dtype=False)
        assert files(tmp_path / "runs/a") == MODEL
        assert files(tmp_path / "elsewhere") == []
        assert files(tmp_path / "deep") == [f"er/forecast.{ending}"]

    def test_predict_without_data_continues_those_of_the_fit(
        self, tslm: Any, sales: Path, tmp_path: Path
    ) -> None:
        tslm("fit", f"data={sales}", "out=m", *FAST)
        assert tslm("predict", "model=m", "out=f.csv").code == 0
        assert len(pd.read_csv("f.csv")) == 12

    def test_options_that_are_lists_are_saved(self, tslm: Any, sales: Path) -> None:
        words = ["decoder=quantile", "decoder.quantiles=[0.2,0.5,0.8]", "base=ridge"]
        done = tslm("fit", f"data={sales}", "out=m", *fast(*words))
        assert done.code == 0, done.err
        distribution = TSLMForecaster.load("m").model_.decoder.family
        assert distribution.quantiles == (0.2, 0.5, 0.8)
        assert tslm("predict", "model=m", "level=[60]", "out=f.csv").code == 0

    def test_examples_come_from_the_series_or_from_a_file(self, tslm: Any, sales: Path) -> None:
        tslm("fit", f"data={sales}", "out=m", *FAST)
        model, df = TSLMForecaster.load("m"), random_walks()
        for word, examples in (("first", "first"), ("similar", "similar"), (sales, df)):
            words = ["model=m", f"data={sales}", f"examples={word}", "out=f.csv"]
            assert tslm("predict", *words).code == 0
            ahead = pd.read_csv("f.csv", parse_dates=["ds"])
            expected = model.predict(df, examples=examples)
            pd.testing.assert_frame_equal(ahead, expected, check_dtype=False)
            assert not np.allclose(ahead.AutoTimes, model.predict(df).AutoTimes, rtol=1e-4)

    def test_backtest_writes_every_origin_and_shows_the_errors(
        self, tslm: Any, sales: Path
    ) -> None:
        words = ["n_windows=2", "baselines=[SeasonalNaive,last]", "out=cv.csv", *FAST]
        done = tslm("backtest", f"data={sales}", *words)
        assert done.code == 0, done.err
        table = pd.read_csv("cv.csv")
        names = ["unique_id", "ds", "cutoff", "y", "AutoTimes", "SeasonalNaive", "last"]
        assert list(table.columns) == names
        assert (len(table), table.cutoff.nunique()) == (24, 2)
        error = (table.AutoTimes - table.y).abs()
        shown = error.groupby(table.unique_id).mean().mean()
        assert f"{shown:.4f}"[:5] in done.out

    def test_backtest_recalibrates_and_shows_examples(self, tslm: Any, sales: Path) -> None:
        words = [f"data={sales}", "n_windows=2", "baselines=[]", *FAST]
        for name, more in {"plain": [], "renewed": ["recalibrate=true"]}.items():
            done = tslm("backtest", *words, "level=[50]", *more, f"out={name}.csv")
            assert done.code == 0, done.err
        plain, renewed = (pd.read_csv(f"{name}.csv") for name in ("plain", "renewed"))
        changed = (plain["AutoTimes-lo-50"] - renewed["AutoTimes-lo-50"]).abs() > 1e-6
        assert set(renewed.cutoff[changed]) == {renewed.cutoff.max()}
        done = tslm("backtest", *words, "recalibrate=maybe", "out=wrong.csv")
        assert (done.code, Path("wrong.csv").exists()) == (2, False)
        assert "recalibrate='maybe' must be true or false" in done.err
        assert tslm("backtest", *words, "examples=first", "out=shown.csv").code == 0
        assert not np.allclose(pd.read_csv("shown.csv").AutoTimes, plain.AutoTimes, rtol=1e-4)

    def test_backtest_of_a_classical_rule_with_columns_of_other_names(
        self, tslm: Any, tmp_path: Path
    ) -> None:
        renamed = random_walks().rename(columns={"unique_id": "shop", "ds": "day", "y": "sold"})
        renamed.to_parquet(tmp_path / "d.parquet")
        words = ["id_col=shop", "time_col=day", "target_col=sold", "h=5", "out=cv.parquet"]
        done = tslm("backtest", f"data={tmp_path}/d.parquet", "model=last", *words)
        assert done.code == 0, done.err
        table = pd.read_parquet("cv.parquet")
        assert list(table) == ["shop", "day", "cutoff", "sold", "Last", "SeasonalNaive"]

    def test_validation_rows_may_come_from_a_file(
        self, tslm: Any, sales: Path, tmp_path: Path
    ) -> None:
        df = random_walks()
        late = df.groupby("unique_id").cumcount() >= 45
        df[~late].to_csv("train.csv", index=False)
        df[late].to_csv("val.csv", index=False)
        done = tslm("fit", "data=train.csv", "val_data=val.csv", "out=m", *FAST)
        assert done.code == 0, done.err
        assert TSLMForecaster.load("m").verdict_.windows == 20

    def test_a_killed_fit_continues_from_out(
        self, tslm: Any, sales: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tslm.data.samplers import RandomWindows

        plain, steps, kills = RandomWindows.batch, [], [12]

        def batch(self: RandomWindows, step: int) -> Any:
            steps.append(step)
            if step in kills:
                kills.clear()
                raise RuntimeError("killed")
            return plain(self, step)

        monkeypatch.setattr(RandomWindows, "batch", batch)
        words = [f"data={sales}", *fast("max_steps=20")]
        with pytest.raises(RuntimeError, match="killed"):
            tslm("fit", "out=m", *words)
        assert files(Path("m")) == [
            f"checkpoints/{name}" for name in ("last.ckpt", "run.json", "run.lock")
        ]
        done = tslm("fit", "out=m", f"data={sales}", *fast("max_steps=20", "h=7"))
        assert (done.code, "unfinished run with h=6" in done.err) == (2, True)
        steps.clear()
        assert tslm("fit", "out=m", *words).code == 0
        assert steps[0] > 0
        assert files(Path("m")) == MODEL
        assert tslm("fit", "out=whole", *words).code == 0
        for name in ("weights.safetensors", "history.safetensors"):
            assert Path("m", name).read_bytes() == Path("whole", name).read_bytes()

    def test_a_model_is_replaced_only_when_asked(self, tslm: Any, sales: Path) -> None:
        words = [f"data={sales}", "out=m", *FAST]
        assert tslm("fit", *words).code == 0
        before = Path("m/model.json").read_bytes()
        done = tslm("fit", *words, "alias=new")
        assert (done.code, done.out) == (2, "")
        assert "m holds a saved model already" in done.err
        assert Path("m/model.json").read_bytes() == before
        done = tslm("fit", *words, "alias=new", "overwrite=true")
        assert done.code == 0, done.err
        assert TSLMForecaster.load("m").alias == "new"

    def test_a_sweep_runs_every_combination_into_numbered_places(
        self, tslm: Any, sales: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "v1.0" / "cv.csv"
        words = ["model=last", "h=4,8", f"out={out}"]
        done = tslm("backtest", f"data={sales}", "-m", *words)
        assert done.code == 0, done.err
        assert files(tmp_path / "v1.0") == ["cv/0.csv", "cv/1.csv"]
        assert [len(pd.read_csv(tmp_path / f"v1.0/cv/{k}.csv")) for k in (0, 1)] == [8, 16]
        done = tslm("fit", f"data={sales}", "-m", *fast("h=3,5"), "out=./runs")
        assert done.code == 0, done.err
        assert [TSLMForecaster.load(f"runs/{k}").h for k in (0, 1)] == [3, 5]
        assert files(Path()) == [f"runs/{k}/{name}" for k in (0, 1) for name in MODEL]

    def test_one_value_is_a_list_of_one(self, tslm: Any) -> None:
        words = ["benchmark=ili", "model=last", "horizons=24", "context_length=36", "out=r.json"]
        done = tslm("benchmark", *words)
        assert done.code == 0, done.err
        assert [record["horizon"] for record in json.loads(Path("r.json").read_text())] == [24]


class TestHelp:
    @pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
    def test_help_lists_the_verbs(self, tslm: Any, words: list[str]) -> None:
        assert tslm(*words) == (0, overview(), "")
        assert all(f"\n  {verb} " in overview() for verb in ALL)

    def test_every_verb_is_in_the_table_and_has_a_yaml(self) -> None:
        assert set(VERBS) == {path.stem for path in (CONF / "verb").glob("*.yaml")}
        assert all(callable(verb.load()) for verb in ALL.values())

    @pytest.mark.parametrize("verb", ["backbone", "config"])
    def test_help_is_given_wherever_it_is_asked_for(self, tslm: Any, verb: str) -> None:
        assert tslm(verb, "--help") == (0, overview(), "")
        assert tslm("help", "push") == tslm("push", "--help")

    def test_help_fits_a_terminal(self) -> None:
        assert max(map(len, overview().splitlines())) <= 100

    def test_the_version(self, tslm: Any) -> None:
        assert tslm("--version") == (0, f"tslm {__version__}\n", "")

    @pytest.mark.parametrize("verb", VERBS)
    def test_help_of_a_verb_lists_its_settings(self, tslm: Any, verb: str) -> None:
        done = tslm(verb, "--help")
        assert (done.code, done.err) == (0, "")
        assert f"tslm {verb}" in done.out
        first = done.out.splitlines()[0]
        assert first.startswith("# ")
        assert first.endswith(".")
        assert "??? marks a setting that you must give" in done.out
        assert ("repo:" if verb == "push" else "out:") in done.out
        if "/config" in (CONF / "verb" / f"{verb}.yaml").read_text():
            assert "max_steps:" in done.out
            assert "adapter= autotimes" in done.out

    def test_config_show_prints_the_settings_as_they_would_be(self, tslm: Any) -> None:
        done = tslm("config", "show", "fit", "adapter=autotimes", "h=7", "adapter.mix=0.5")
        assert done.code == 0, done.err
        import yaml

        shown = yaml.safe_load(done.out)
        assert (shown["h"], shown["adapter"]["mix"], shown["data"]) == (7, 0.5, "???")
        assert shown["adapter"]["_target_"].startswith("tslm.")
        assert "choices" not in shown

    @pytest.mark.parametrize("words", [[], ["show"], ["show", "fitt"], ["print", "fit"]])
    def test_config_has_a_help_text(self, tslm: Any, words: list[str]) -> None:
        done = tslm("config", *words)
        assert (done.code, "Type tslm config show VERB" in done.err) == (2, True)

    def test_backbones_are_listed_with_their_licence(self, tslm: Any) -> None:
        done = tslm("backbone", "list")
        assert done.code == 0
        lines = {line.split()[0]: line for line in done.out.splitlines()}
        assert {"smollm2-135m", "gemma3-270m", "tiny"} <= set(lines)
        assert "Apache-2.0" in lines["smollm2-135m"]

    def test_backbone_pull_of_the_tiny_one_needs_nothing(self, tslm: Any) -> None:
        assert tslm("backbone", "pull", "tiny").code == 0
        done = tslm("backbone", "pull", "tinny")
        assert (done.code, "tiny" in done.err) == (2, True)
        assert tslm("backbone", "push").code == 2


class TestWrong:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["fti"], r"fti is not a verb. Did you mean fit\? tslm --help"),
            (["xyzzy"], "xyzzy is not a verb. tslm --help"),
            (["ablate", "out=a.json"], "either benchmark=NAME or data=FILE"),
            (["fit", "out=m"], "data is not given. Add data=sales.csv to the command"),
            (["fit", "data=d.csv"], "out is not given"),
            (["predict"], "model is not given"),
            (["fit", "data=d.csv", "out=m", "max_step=3"], "did you mean max_steps?"),
            (["fit", "data=d.csv", "out=m", "adapter.patchlen=3"], "mean adapter.patch_len?"),
            (["fit", "data=d.csv", "out=m", "adapter=autotime"], "Did you mean autotimes?"),
            (["benchmark", "benchmark=eth1"], "Did you mean etth1?"),
            (["benchmark", "model=lst"], "Did you mean last?"),
            (["fit", "data=d.csv", "out=m", "h=soon"], "h='soon'"),
            (["fit", "data=SALES", "out=m", "base=profil"], "Did you mean profile"),
            (["fit", "data=d.csv", "out=m", "h"], "h is not a setting. Settings are key=value"),
            (["fit", "--data=d.csv", "out=m"], "Did you mean data=d.csv? Settings are"),
            (["fit", "data", "=", "d.csv"], "without spaces around ="),
            (["fit", "data=d.csv", "out=m", "adaptor=s2ip"], "did you mean adapter?"),
            (["fit", "data=d.csv", "out=m", "horizon=3"], "did you mean h?"),
            (["benchmark", "dataset=etth1"], "did you mean benchmark?"),
            (["fit", "data=d.csv", "out=m"], "There is no file d.csv"),
            (["fit", "data=SALES", "out=m", "backbone=tinny"], "tiny"),
            (["fit", "data=SALES", "out=m", "n_layers=99", "backbone=tiny"], "99"),
            (["fit", "data=SALES", "out=m", "id_col=shop"], "no column 'shop'"),
            (["backtest", "data=SALES", "out=cv.txt"], "out=cv.txt must end in .csv"),
            (["backtest", "data=SALES", "out=/proc/x/cv.csv"], "cannot be written"),
            (["backtest", "data=SALES", "model=last", "out=cv.csv", "h=59", "n_windows=2"], "'a'"),
            (
                ["backtest", "data=SALES", "model=last", "out=cv.csv", "level=800"],
                "level=[800] must",
            ),
            (["predict", "model=nowhere", "out=f.csv"], "nowhere is not a saved tslm model"),
            (["benchmark", "out=r.csv"], "out=r.csv must end in .json"),
        ],
    )
    def test_the_users_mistakes_end_with_two_and_one_message(
        self, tslm: Any, sales: Path, words: list[str], message: str
    ) -> None:
        before = files(sales.parent)
        done = tslm(*[word.replace("SALES", str(sales)) for word in words])
        assert done.code == 2
        assert message.replace("\\?", "?") in done.err
        assert done.err.startswith("tslm: ")
        assert "Traceback" not in done.err
        assert done.out == ""
        kept = [name for name in files(sales.parent) if not name.endswith(("run.json", "run.lock"))]
        assert kept == before

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "is empty"),
            ("unique_id,ds,y\n", "empty"),
            ("unique_id,ds,y\na,2024-01-01,high\n", "y"),
            ("unique_id,ds,y\na,someday,1\nb,never,2\n", "ds"),
            (
                "shop,ds,y\n" + "".join(f"{s},2024-01-0{d},1\n" for s in "ab" for d in "123"),
                "=shop",
            ),
        ],
    )
    def test_unusable_data_end_with_two_and_the_reason(
        self, tslm: Any, tmp_path: Path, content: str, message: str
    ) -> None:
        (tmp_path / "bad.csv").write_text(content)
        done = tslm("fit", f"data={tmp_path}/bad.csv", "out=m", *FAST)
        assert done.code == 2
        assert message in done.err
        assert "Traceback" not in done.err

    def test_files_that_are_no_tables_are_refused(self, tslm: Any, tmp_path: Path) -> None:
        (tmp_path / "x.parquet").write_text("words")
        (tmp_path / "x.xlsx").write_text("words")
        (tmp_path / "x.doc").write_text("words")
        for name, message in (
            ("x.parquet", "cannot be read"),
            ("x.xlsx", "x.xlsx "),
            ("x.doc", "must be a table"),
        ):
            done = tslm("backtest", f"data={tmp_path}/{name}", "model=last", "out=cv.csv")
            assert (done.code, message in done.err) == (2, True)


def python(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_neither_import_nor_help_loads_anything_heavy(tmp_path: Path) -> None:
    script = (
        "import sys, tslm\n"
        "heavy = {'torch', 'sklearn', 'pandas', 'numpy', 'hydra', 'lightning', 'transformers'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from tslm.interfaces.cli.main import main\n"
        "for words in (['--help'], ['--version'], []):\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert 'TSLMForecaster' in dir(tslm)\n"
    )
    done = python("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_killed_processes_end_with_the_documented_exit_codes(tmp_path: Path) -> None:
    done = python("-m", "tslm", "fit", "dta=x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tslm: dta is not a setting: did you mean data?\n"
    script = (
        "import types\n"
        "from tslm.interfaces.cli import main as cli, verbs\n"
        "def fail(words): raise RuntimeError('our own bug')\n"
        "verbs.OTHERS['fail'] = types.SimpleNamespace(load=lambda: fail)\n"
        "cli.main(['fail'])\n"
    )
    done = python("-c", script, cwd=tmp_path)
    assert (done.returncode, "our own bug" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


class TestConfigCheck:
    def test_settings_are_checked_without_data_or_weights(self, tslm: Any) -> None:
        result = tslm("config", "check", "fit", "data=no.csv", "out=a", "backbone=no/such/model")
        assert result.code == 0
        assert result.out == "fit: these settings fit together\n"
        assert tslm("config", "check", "benchmark", "model=dlinear", "benchmark=etth1").code == 0
        assert tslm("config", "check", "predict", "model=a", "out=f.csv").code == 0

    @pytest.mark.parametrize(
        ("word", "message"),
        [
            ("context_length=100", "is not a multiple of patch_len"),
            ("adapter.layers=0", "layers=0 must be at least 1"),
            ("max_stpes=3", "did you mean max_steps?"),
            ("trainer.loss=l3", "loss='l3' is unknown"),
            ("out=a", "data is not given"),
        ],
    )
    def test_what_does_not_is_an_error(self, tslm: Any, word: str, message: str) -> None:
        given = [] if "data is" in message else ["data=a.csv", "out=a"]
        result = tslm("config", "check", "fit", *given, word)
        assert result.code == 2
        assert message in result.err


def test_python_m_tslm_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tslm", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"tslm {__version__}\n"
