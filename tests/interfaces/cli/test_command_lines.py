"""Command lines: each ends well or with one line, and what fails leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest

from tests.command import command
from tests.frames import random_walks

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")
FIT = "fit data=sales.csv out=m h=3 backbone=tiny max_steps=2 accelerator=cpu verbose=0"
LAST = "backtest data=sales.csv out=cv.csv model=last verbose=0"
CHECK = "config check fit data=no.csv out=m"
PREDICT = "predict out=f.csv model=m"
RIGHT = [
    f"{CHECK} h=1",
    f"{CHECK} alias=ü",
    f"{CHECK} alias='a b'",
    f"{CHECK} prompt={{store}},:sales",
    f"{CHECK} out=2024",
    f"{CHECK} out=true",
    f"{CHECK} val_data=[a]",
    f"{CHECK} freq=1",
    f"{CHECK} time_format=%d.%m.%Y,%H:%M tz=Europe/Berlin sep=; decimal=,",
    f"{CHECK} freq=15min",
    f"{CHECK} futr_exog=[größe,x]",
    f"{CHECK} futr_exog=temp",
    f"{CHECK} hist_exog=['a, b']",
    f"{CHECK} decoder=quantile decoder.quantiles=[0.1,0.5,0.9]",
    f"{CHECK} adapter=TimeLLM",
    f"{CHECK} pretrained=null base=null model=null",
    f"{CHECK} n_layers=all",
    f"{CHECK} random_state=0",
    f"{CHECK} learning_rate=1",
    f"{CHECK} model=SeasonalNaive",
    f"{CHECK} model=dlinear model.kernel=5",
    f"{CHECK} id_col=Kunde time_col=Tag target_col=Größe",
    "config check predict model=7 out=f.csv data=v1,final.csv",
    "config check table results=[a.json,b.json]",
    "config check table results=Ergebnis.json out=t.md",
    "config check push model=m repo=me/sales",
    "config show fit data=~/x.csv out=a=b",
    "config show ablate +budget.arms.words={claim:design,options:{timestamps:text}}",
    "config show ablate budget=survey ~budget.arms.time_llm",
    "config show fit h=7 prompt='100 % of \"it\"'",
]
WRONG = {
    # values
    f"{FIT} h=0": "h=0 must be at least 1",
    f"{FIT} h=-1": "h=-1 must be at least 1",
    f"{FIT} h=1.5": "h=1.5 must be a whole number",
    f"{FIT} h='7'": "h='7' must be a whole number",
    f"{FIT} h=true": "h=True must be a whole number",
    f"{FIT} h=null": "h=None must be a whole number",
    f"{FIT} h=soon": "h='soon' must be a whole number",
    f"{FIT} h=[3]": "h=[3] must be a whole number",
    f"{FIT} h={{a:3}}": "must be a whole number",
    f"{FIT} h=100000000000000000000": "must be at most 1,000,000",
    f"{FIT} h={'9' * 5000}": "cannot be read",
    f"{FIT} h=": "h='' must be a whole number",
    f"{FIT} h=3,5": "names several values; -m runs each of them",
    f"{FIT} h=${{h}}": "holds ${",
    f"{FIT} h=${{oc.env:HOME}}": "holds ${",
    f"{FIT} alias=${{oc.env:HOME}}": "holds ${",
    f"{FIT} context_length=0": "context_length=0 must be at least 1",
    f"{FIT} max_steps=0 base=null": "max_steps=0 must be at least 1",
    f"{FIT} max_steps=1e3": "must be a whole number",
    f"{FIT} learning_rate=nan": "learning_rate=nan must be a number",
    f"{FIT} learning_rate=inf": "learning_rate=inf must be a number",
    f"{FIT} learning_rate=0": "must be above 0",
    f"{FIT} learning_rate=-1": "must be above 0",
    f"{FIT} learning_rate=fast": "must be a number",
    f"{FIT} batch_size=0": "must be a whole number from 1",
    f"{FIT} val_size=-1": "val_size=-1 must be at least 0",
    f"{FIT} val_size=x": "must be a whole number",
    f"{FIT} early_stopping_patience=-1": "must be at least 1",
    f"{FIT} random_state=-1": "random_state=-1 must be at least 0",
    f"{FIT} random_state=100000000000000000000": "random_state=1",
    f"{FIT} fraction=0": "fraction=0.0 must be above 0",
    f"{FIT} fraction=2": "at most 1",
    f"{FIT} scaler=x": "scaler=x is unknown",
    f"{FIT} freq=[D]": "freq=['D'] must be a whole number or text",
    f"{FIT} freq=1.5": "freq=1.5 must be a whole number or text",
    f"{FIT} n_layers=0": "n_layers=0 must be",
    f"{FIT} n_layers=some": "n_layers=some must be",
    f"{FIT} n_layers=1.5": "n_layers=1.5 must be",
    f"{FIT} verbose=loud": "verbose='loud' must be",
    f"{FIT} verbose=-1": "verbose=-1 must be at least 0",
    f"{FIT} calendar=maybe": "calendar='maybe' must be true or false",
    f"{FIT} precision=fp8": "precision=fp8 is unknown",
    f"{FIT} overwrite=maybe": "overwrite='maybe' must be true or false",
    # machines
    f"{FIT} accelerator=gpuu": "gpuu",
    f"{FIT} accelerator=5": "accelerator=5 must be text",
    f"{FIT} devices=0": "devices=0",
    f"{FIT} devices=x": "devices=x",
    f"{FIT} devices=9999": "9999",
    "config check fit data=no.csv out=m accelerator=gpuu": "gpuu",
    "config check fit data=no.csv out=m accelerator=cpu devices=0": "devices=0",
    f"{FIT} strategy=x": "strategy=x",
    # roles of columns
    f"{FIT} id_col=y": "id_col and target_col both name 'y'",
    f"{FIT} time_col=y": "time_col and target_col both name 'y'",
    f"{FIT} target_col=ds": "time_col and target_col both name 'ds'",
    # parts
    f"{FIT} adapter=[time_llm]": "adapter takes one name; write adapter=time_llm",
    f"{FIT} model=[profile_ar,last]": "model takes one name; -m model=profile_ar,last runs both",
    f"{FIT} model=a,b,c": "model takes one name; -m model=a,b,c runs each",
    f"{FIT} distribution=[quantile]": "distribution takes one name",
    f"{FIT} trainer=[cosine]": "trainer takes one name",
    f"{FIT} freeze=[lora]": "freeze takes one name",
    f"{FIT} base=[profile_ar]": "base takes one name",
    f"{FIT} adapter=null": "adapter=null is unknown",
    f"{FIT} adapter=5": "adapter=5 is unknown",
    f"{FIT} decoder=null": "decoder=null is unknown",
    f"{FIT} adapter=": "adapter= has no value",
    f"{FIT} adapter.patch_len=abc": "adapter.patch_len='abc' must be a whole number",
    f"{FIT} adapter.patch_len=7.5": "adapter.patch_len=7.5 must be a whole number",
    f"{FIT} adapter.patch_len=[7]": "adapter.patch_len=[7] must be a whole number",
    f"{FIT} adapter.dropout=x": "adapter.dropout='x' must be a number",
    f"{FIT} adapter.dropout=2": "dropout",
    f"{FIT} adapter.dropout=-1": "dropout",
    f"{FIT} adapter.norm=x": "adapter.norm='x' must be one of",
    f"{FIT} trainer.looks=0": "looks",
    f"{FIT} trainer.warmup=2": "warmup",
    f"{FIT} trainer.schedule=x": "trainer.schedule='x' must be one of",
    f"{FIT} adapter.x=1": "adapter.x is not a setting",
    f"{FIT} adapter._target_=os.system": "adapter._target_ is not a setting",
    f"{FIT} adapter={{x:1}}": "adapter={x:1} is unknown",
    f"{FIT} decoder=quantile distribution=student_t": "both name a distribution",
    f"{FIT} model=last model.order=3": "model.order is not a setting",
    f"{FIT} base.order=3": "base.order is not a setting",
    # signs and keys
    f"{FIT} ~h": "~h is not a setting",
    f"{FIT} ~data": "~data is not a setting",
    f"{FIT} ~out=m": "settings are neither added nor taken away",
    f"{FIT} +lr=0.1": "lr is not a setting: did you mean learning_rate?",
    f"{FIT} law=student_t": "law is not a setting: did you mean distribution?",
    f"{FIT} law.quantiles=[0.1] distribution=quantile": "did you mean distribution.quantiles?",
    f"{FIT} +learning_rte=0.1": "learning_rte is not a setting: did you mean learning_rate?",
    f"{FIT} ++max_steps=3": "max_steps",
    f"{FIT} +hydra.searchpath=[x]": "hydra.searchpath is not a setting",
    f"{FIT} hydra.callbacks={{}}": "hydra.callbacks is not a setting",
    f"{FIT} choices.adapter=x": "choices.adapter is not a setting",
    f"{FIT} choices=x": "choices is not a setting",
    f"{FIT} benchmark=etth1": "benchmark is not a setting",
    f"{FIT} verb=fit": "verb is not a setting",
    f"{FIT} h =3": "h =3 is not a setting",
    f"{FIT} random_state=1 random_state=2": "random_state is given twice",
    f"{FIT} =3": "=3 is not a setting",
    f"{FIT} --help=": "--help= is not a setting",
    f"{FIT} h=[1": "h=[1 cannot be read",
    # paths
    "fit out=m h=3": "data is not given",
    "fit data=null out=m": "data is not given",
    "fit data=sales.csv out=null": "out is not given",
    "fit data= out=m": "data= has no value",
    "fit data=sales.csv out=": "out= has no value",
    "fit data=2024 out=m": "2024",
    "fit data=[a,b] out=m": "[a,b]",
    "fit data=true out=m": "true",
    "fit data=Verkäufe.csv out=m": "Verkäufe.csv",
    "fit data=sales(1).csv out=m": "sales(1).csv",
    "fit data=~/no.csv out=m": str(Path.home()),
    f"{FIT} static=7": "7",
    f"{FIT} val_data=7": "7",
    f"{FIT} pretrained=7": "7",
    "predict model=7 out=f.csv": "7",
    "predict model=nope out=new/deep/f.csv": "nope is not a saved",
    f"{PREDICT} data=5": "m is not a saved tslm model",
    "predict model=m data=sales.csv out=sales.csv": "out=sales.csv is what data reads",
    "predict model=m data=./sales.csv out=sales.csv": "out=sales.csv is what data reads",
    "predict model=m futr=f.csv out=f.csv": "is what futr reads",
    "backtest data=sales.csv out=sales.csv model=last": "out=sales.csv is what data reads",
    "table results=[a.csv,t.csv] out=t.csv": "is what results reads",
    # what would have no effect
    f"{FIT} model=dlinear decoder=quantile": "backbone, decoder would have no effect",
    "fit data=sales.csv out=m model=last prompt=x": "prompt would have no effect",
    "fit data=sales.csv out=m model=last adapter.patch_len=3": "adapter would have no effect",
    "benchmark benchmark=etth1 model=last h=48": "h=48 would have no effect here: name the horiz",
    "benchmark benchmark=etth1 model=last horizon=48": "did you mean horizons?",
    "benchmark benchmark=etth1 model=last season_length=168": "season_length=168 would have no",
    "benchmark benchmark=etth1 model=last random_state=1": "such as seeds=[0]",
    "benchmark benchmark=m4_hourly model=last horizons=[3]": "horizons=[3] would have no effect",
    "benchmark benchmark=m4_hourly model=last stride=3": "stride=3 would have no effect",
    "ablate benchmark=m4_hourly out=a.json": "M4 Hourly is a set of many short series",
    "demo benchmark=etth1 out=d": "benchmark",
    "ablate benchmark=etth1 h=3 out=a.json": "h=3 would have no effect",
    "ablate data=sales.csv random_state=1 out=a.json": "budget.seeds=[0]",
    "speed model=last": "speed measures an adapter",
    "speed base=auto": "speed measures an adapter alone",
    # verbs' own
    f"{LAST} baselines=5": "model=5 is unknown",
    f"{LAST} baselines=a,b": "baselines=[a,b]",
    f"{LAST} n_windows=0": "n_windows=0 must be",
    f"{LAST} step_size=x": "step_size='x' must be",
    f"{LAST} refit=x": "refit",
    f"{LAST} level=0": "level=[0] must be",
    f"{LAST} level=x": "level",
    f"{LAST} quantiles=[2]": "quantiles",
    f"{PREDICT} h=0": "m is not a saved tslm model",
    f"{PREDICT} num_samples=0": "num_samples=0 must be",
    f"{PREDICT} lr=3": "lr is not a setting: known: sep",
    f"{PREDICT} download=x": "download='x' must be",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    random_walks().to_csv(tmp_path / "sales.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(line: str) -> list[str]:
    """A line as a shell parts it, one space a word; later settings replace those of ``FIT``."""
    first, *rest = line.replace("h =", "h\0=").split(" ") if "'" not in line else quoted(line)
    found: dict[str, str] = {}
    for i, word in enumerate(rest):
        key = word.partition("=")[0] if "=" in word else f"{i}"
        key = f"{key}{i}" if key == "random_state" else key
        found[key] = word.replace("\0", " ")
    return [first, *found.values()]


def quoted(line: str) -> list[str]:
    parts = line.split(" ")
    for i, part in enumerate(parts):
        if part.count("'") == 1:
            rest = next(k for k in range(i + 1, len(parts)) if "'" in parts[k])
            return [*parts[:i], " ".join(parts[i : rest + 1]), *parts[rest + 1 :]]
    return parts


def everything(folder: Path) -> list[tuple[str, bytes]]:
    files = sorted(path for path in folder.rglob("*"))
    return [(str(path), path.read_bytes() if path.is_file() else b"") for path in files]


@pytest.mark.parametrize("line", RIGHT)
def test_right_command_lines_end_with_zero(line: str, folder: Path, capsys: Any) -> None:
    assert command(*words_of(line)) == 0, capsys.readouterr().err
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[-60:])
def test_wrong_command_lines_end_with_two_and_one_line_and_leave_no_file(
    line: str, folder: Path, capsys: Any
) -> None:
    before = everything(folder)
    code = command(*words_of(line))
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, ""), printed
    assert printed.err.startswith("tslm: ")
    assert len(printed.err.splitlines()) == 1, printed.err
    assert len(printed.err) < 1000
    assert WRONG[line] in printed.err
    assert everything(folder) == before
