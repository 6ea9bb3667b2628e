"""Docstrings: plain first lines; examples that run; an example for every public class."""

import ast
import doctest
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import tslm

FOLDER = Path(tslm.__file__).parent
FIRST_WORDS = {"What", "How", "Where", "Which", "Whether", "Of"}  # no first line begins with these
UNMENDED = {  # files with such first lines, until they are reworded
    "core/atomic_write.py",
    "core/calendar.py",
    "core/command_words.py",
    "core/config.py",
    "core/csv_tables.py",
    "core/distribution.py",
    "core/files.py",
    "core/frequency.py",
    "core/frequency_inference.py",
    "core/hardware.py",
    "core/paths.py",
    "core/shrinkage.py",
    "core/types.py",
    "data/align.py",
    "data/column_values.py",
    "data/covariates/encoding.py",
    "data/covariates/regression.py",
    "data/covariates/static.py",
    "data/datasets/benchmarks.py",
    "data/datasets/competitions.py",
    "data/frame.py",
    "data/loaders.py",
    "data/origins.py",
    "data/panel.py",
    "data/roles.py",
    "data/series_text.py",
    "data/split.py",
    "data/time_column.py",
    "estimators/base.py",
    "estimators/explanation.py",
    "estimators/fitting.py",
    "estimators/lipcot/classifier.py",
    "estimators/lipcot/code_bert.py",
    "estimators/lipcot/counts.py",
    "estimators/lipcot/pretrainer.py",
    "estimators/lipcot/reader.py",
    "estimators/lipcot/tokenizer.py",
    "estimators/saving.py",
    "estimators/training/checkpoints.py",
    "estimators/training/module.py",
    "estimators/training/progress.py",
    "estimators/tslm_forecaster.py",
    "estimators/window_regressor.py",
    "evaluation/ablation/arms.py",
    "evaluation/ablation/comparison.py",
    "evaluation/ablation/findings.py",
    "evaluation/ablation/report.py",
    "evaluation/ablation/run.py",
    "evaluation/metrics/backtest.py",
    "evaluation/speed.py",
    "evaluation/tuning.py",
    "interfaces/cli/commands.py",
    "interfaces/cli/completion.py",
    "interfaces/cli/main.py",
    "interfaces/cli/result_commands.py",
    "interfaces/hub.py",
    "interfaces/sktime.py",
    "models/adapters/base.py",
    "models/adapters/code_embedding.py",
    "models/adapters/lipcot.py",
    "models/adapters/prompts.py",
    "models/adapters/s2ip.py",
    "models/adapters/text_statistics.py",
    "models/adapters/timestamps.py",
    "models/assembly.py",
    "models/backbones/base.py",
    "models/backbones/build.py",
    "models/backbones/controls/reference.py",
    "models/backbones/freezing.py",
    "models/backbones/hf_lexicon.py",
    "models/backbones/huggingface.py",
    "models/backbones/prefix_reading.py",
    "models/backbones/weights/cache.py",
    "models/backbones/weights/catalog.py",
    "models/backbones/weights/download.py",
    "models/baselines/itransformer.py",
    "models/decoders/base.py",
    "models/decoders/filter_mixture.py",
    "models/forecast_model.py",
    "models/layers/base_forecast.py",
    "models/layers/lpc/burg.py",
    "models/layers/lpc/codebook.py",
    "models/layers/lpc/framing.py",
    "models/layers/lpc/spaces.py",
    "models/layers/patching.py",
    "models/layers/reprogramming.py",
    "models/layers/seasonal.py",
    "models/layers/weight_cache.py",
    "models/network.py",
    "plots/forecasts.py",
    "plots/plotly.py",
    "plots/results.py",
    "testing.py",
    "uncertainty/conformal.py",
    "uncertainty/difficulty.py",
    "uncertainty/distributions/base.py",
    "uncertainty/past_changes.py",
    "uncertainty/requested_columns.py",
    "uncertainty/sample_paths.py",
}
NEEDS = {"tslm.interfaces.sktime": "sktime", "tslm.evaluation.tuning": "optuna"}


def examples() -> Iterator[tuple[str, str, str]]:
    """Module, name and docstring of whatever has an example."""
    for path in sorted(FOLDER.rglob("*.py")):
        module = ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if ">>>" in text:
                    yield module, node.name, text


EXAMPLES = {f"{module}.{name}": text for module, name, text in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = name.rpartition(".")[0]
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], {}, name, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two steps of training are no model
        outcome = doctest.DocTestRunner().run(test)
    assert outcome.attempted > 1
    assert not outcome.failed, capsys.readouterr().out


def test_every_public_class_has_an_example() -> None:
    public = {f"tslm.{home}.{name}" for name, home in tslm._HOME.items() if home != "core.errors"}
    assert public <= EXAMPLES.keys()


def unclear_lines(path: Path) -> list[str]:
    """Return the first lines of a file's docstrings that begin with a relative clause."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    lines = [(ast.get_docstring(node) or "-").splitlines()[0] for node in nodes]
    return [line for line in lines if re.split(r"\W", line)[0].capitalize() in FIRST_WORDS]


def test_first_lines_of_docstrings_are_plain() -> None:
    """A function's docstring begins with a verb, a class's with a noun of the field."""
    found = {
        path.relative_to(FOLDER).as_posix(): unclear_lines(path) for path in FOLDER.rglob("*.py")
    }
    bad = {path: lines for path, lines in found.items() if lines and path not in UNMENDED}
    assert not bad
