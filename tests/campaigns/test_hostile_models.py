"""Saved folders that somebody has changed: refused by name, or forecast; nothing else happens.

Every folder is sealed anew, as its author can. The default run tries some; ``make hostile-models``
runs ``python -m tests.campaigns.test_hostile_models 250``: so many changes of each of five models.
"""

import copy
import json
import os
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from tests.frames import random_walks
from tslm import BaselineForecaster, Spec, TslmError, TSLMForecaster
from tslm.core import hashing
from tslm.estimators.factory import load_estimator
from tslm.estimators.saving.files import HISTORY, MODEL, WEIGHTS, digest_of
from tslm.estimators.saving.folder import FORMAT, Saved, read_saved

pytestmark = pytest.mark.filterwarnings("ignore")
Dice = np.random.Generator
H = 4
PRINTERS = {"wadler_lindig", "equinox"}  # of jaxtyping, which tells tests of a wrong shape
CANARY = "a-secret-of-the-environment"
PAYLOADS: list[Any] = [
    {"_target_": "torch.utils.collect_env.run", "command": "touch pwned"},
    {"_target_": "torch.load", "f": "pwned.pt", "weights_only": False},
    {"_target_": "torch.hub.load", "repo_or_dir": "evil", "model": "m", "source": "local"},
    {"_target_": "tslm.core.files.write_text", "text": "pwned", "path": "pwned"},
    {"_target_": "evil_part.run"},
    {"_target_": "tslm.estimators.training.recipe.Recipe", "_partial_": True},
    {"_args_": [1]},
    {"spec": "../evil", "options": {}},
    {"spec": "evil", "options": {"_target_": "os.system"}},
    "${oc.env:TSLM_CANARY}",
    ["${oc.env:TSLM_CANARY}"],
    "dateutil//etc/passwd",
    "/etc/passwd",
    "S2000000000",
    "{0.__class__.__init__.__globals__}",
    "{start.__class__.__mro__}",
]
PLAIN: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 10**6, 10**9, 10**20, 0.5, -0.5, 1e300, float("nan"),
    float("inf"), "", "a", "h", "D", "MS", "YS", "UTC", "Europe/Berlin", "none", "auto", "x" * 5000,
    [], [None], [0], [[1]], [{}], {}, {"a": 1}, [1, "a", None],
]  # fmt: skip
ARRAYS: list[Callable[[np.ndarray, Dice], np.ndarray]] = [
    lambda a, dice: a * 0,
    lambda a, dice: a * -1,
    lambda a, dice: np.full_like(a, np.nan) if a.dtype.kind == "f" else a * 0 - 1,
    lambda a, dice: (
        np.full_like(a, np.inf) if a.dtype.kind == "f" else a * 0 + np.iinfo(a.dtype).max
    ),
    lambda a, dice: a * 1e30 if a.dtype.kind == "f" else np.atleast_1d(a)[::-1].copy(),
    lambda a, dice: a.astype(np.float16),
    lambda a, dice: a.astype(np.int8),
    lambda a, dice: a.ravel(),
    lambda a, dice: a[None],
    lambda a, dice: np.atleast_1d(a)[..., :0],
    lambda a, dice: np.atleast_1d(a)[:-1],
    lambda a, dice: np.concatenate([np.atleast_1d(a)] * 2),
    lambda a, dice: np.zeros((), a.dtype),
    lambda a, dice: dice.permutation(a) if a.ndim else a,
]


def table(n: int = 60) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    df = random_walks(n, level=0, start="2024-03-01", tz="Europe/Berlin")
    return df.assign(price=dice.normal(size=2 * n), kind=dice.choice(["x", "y"], 2 * n))


def rule() -> Any:
    return BaselineForecaster("profile_ar", h=H, val_size=12, verbose=0).fit(table())


def covariates() -> Any:
    names = {"futr_exog": ["price", "kind"], "hist_exog": ["y2"], "calendar": True}
    df = table().assign(y2=lambda t: t.y.shift(1).fillna(0.0))
    return BaselineForecaster("last", h=H, val_size=12, verbose=0, **names).fit(df)


def language(adapter: Spec, **options: Any) -> Any:
    fast = {"backbone": "tiny", "context_length": 16, "max_steps": 2, "accelerator": "cpu"}
    fast |= {"random_state": 0, "verbose": 0, "val_size": 12}
    return TSLMForecaster(base=None, h=H, adapter=adapter, **{**fast, **options}).fit(table())


def words() -> Any:
    return language(Spec("autotimes", patch_len=4, timestamps="text"), decoder="quantile")


def codes() -> Any:
    return language(Spec("lipcot", order=4, frame_length=8, n_codes=4))


def prompts() -> Any:
    spec = Spec("time_llm", patch_len=4, stride=4, n_prototypes=8, heads=2, head_width=8)
    return language(spec, prompt="{unique_id}: sales")


KINDS: dict[str, Callable[[], Any]] = {
    "rule": rule, "covariates": covariates, "words": words, "codes": codes, "prompts": prompts,
}  # fmt: skip


class Watch:
    """An audit hook: what a load may never do. Python has no way to take a hook back."""

    WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    NEVER = (
        "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
        "os.spawn", "socket.connect", "socket.getaddrinfo", "socket.bind", "pickle.find_class",
        "ctypes.dlopen", "webbrowser.open", "urllib.Request",
    )  # fmt: skip
    CHANGES = (
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.chmod",
    )

    def __init__(self) -> None:
        self.armed, self.seen = False, list[str]()
        self.allowed: tuple[str, ...] = ()
        self.known: set[str] = set()
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event in self.NEVER:
            self.seen.append(f"{event} {args[:1]}")
        elif event == "import" and str(args[0]).partition(".")[0] not in self.known:
            self.seen.append(f"import {args[0]}")
        elif event == "open" and isinstance(args[0], str):
            writes = isinstance(args[2], int) and args[2] & self.WRITES
            if args[0] == "/etc/passwd" or (writes and not self.is_allowed(args[0])):
                self.seen.append(f"open {args[0]}")
        elif event in self.CHANGES and not self.is_allowed(str(args[0])):
            self.seen.append(f"{event} {args[0]}")

    def is_allowed(self, path: str) -> bool:
        return str(Path(path).absolute()).startswith(self.allowed)

    @contextmanager
    def on(self, *allowed: Path) -> Iterator[None]:
        self.allowed = (*map(str, allowed), "/dev/null")
        self.known = {name.partition(".")[0] for name in sys.modules} | PRINTERS
        self.seen, self.armed = [], True
        try:
            yield
        finally:
            self.armed = False


WATCH = Watch()


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in JSON."""
    if at:
        yield at
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*at, key))


def altered(saved: Saved, dice: Dice) -> tuple[str, Saved]:
    """A saved model in which one thing is another, and that thing."""
    facts = copy.deepcopy(saved.facts)
    weights = {name: tensor.numpy() for name, tensor in saved.weights.items()}
    history = dict(saved.history)
    way = dice.choice(["json", "json", "payload", "payload", "delete", "option", "array", "array"])
    if way == "array":
        group = weights if dice.random() < 0.5 and weights else history
        name = str(dice.choice(sorted(group)))
        number = int(dice.integers(len(ARRAYS) + 2))
        if number == len(ARRAYS):
            del group[name]
        elif number > len(ARRAYS):
            group[f"{name}.more"] = group[name]
        else:
            with np.errstate(all="ignore"):
                group[name] = np.ascontiguousarray(ARRAYS[number](group[name], dice))
        change = f"array {name} {number}"
    else:
        known = list(places(facts))
        if way == "option":
            known = [at for at in known if "options" in at[:-1]] or known
        at = known[int(dice.integers(len(known)))]
        node = facts
        for key in at[:-1]:
            node = node[key]
        if way == "delete":
            del node[at[-1]]
            change = f"without {at}"
        else:
            choices = PAYLOADS if way == "payload" else [*PLAIN, *PAYLOADS, {"extra": 1}]
            value = choices[int(dice.integers(len(choices)))]
            if value == {"extra": 1} and isinstance(node, dict):
                at, value = (*at[:-1], "extra"), 1
            node[at[-1]] = value
            change = f"{at} = {str(value)[:80]}"
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    return change, Saved(facts, tensors, history)


def write(saved: Saved, folder: Path) -> None:
    """A folder sealed as its author can; not by ``write_saved``, which would not write all this."""
    folder.mkdir()
    safetensors.torch.save_file(saved.weights, folder / WEIGHTS)
    safetensors.numpy.save_file(saved.history, folder / HISTORY)
    files = {name: hashing.sha256(folder / name) for name in (WEIGHTS, HISTORY)}
    head = {"format": FORMAT, "tslm": "0", "files": files}
    facts = json.loads(json.dumps(saved.facts))
    files[MODEL] = digest_of(facts)
    (folder / MODEL).write_text(json.dumps({**head, **facts}))


def forecast(folder: Path) -> pd.DataFrame:
    model = load_estimator(folder)
    futr = None
    if model.futr_exog:
        futr = model.make_future_dataframe().assign(price=0.5, kind="x")
    ahead = model.predict(futr_df=futr, level=[80])
    assert CANARY not in f"{ahead.columns} {model.get_params()} {model.config_}", "read a secret"
    return ahead


def outcome(folder: Path, same: pd.DataFrame, *allowed: Path) -> str:
    """Return the outcome of a folder; raise anything that must not happen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WATCH.on(*allowed):
            try:
                ahead = forecast(folder)
            except TslmError as error:
                ahead, message = None, str(error)
    assert not WATCH.seen, WATCH.seen
    if ahead is None:
        assert "\n" not in message, "more than a line"
        return "refused"
    numbers = ahead.select_dtypes("number").iloc[:, -3:]
    assert np.isfinite(numbers.to_numpy(dtype=float)).all(), "not finite"
    return "the same forecast" if ahead.equals(same) else "another forecast"


class Subject:
    """A model that was saved, and its forecast."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        KINDS[name]().save(home / name)
        self.saved, self.same = read_saved(home / name), forecast(home / name)

    def tried(self, seed: int, home: Path) -> tuple[str, Path]:
        """Write one change of it."""
        change, changed = altered(self.saved, np.random.default_rng(seed))
        folder = home / f"{self.name}-{seed}"
        write(changed, folder)
        return change, folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("hostile")
        patch.setenv("TSLM_CANARY", CANARY)
        patch.setenv("TSLM_CACHE", str(home / "cache"))
        (home / "evil_part.py").write_text("raise SystemExit('imported')")
        patch.syspath_prepend(home)
        yield home


@pytest.mark.parametrize(("name", "count"), [("rule", 80), ("words", 20)])
def test_a_changed_folder_is_refused_or_forecast_and_does_nothing(
    name: str, count: int, home: Path
) -> None:
    subject = Subject(name, home)
    for seed in range(count):
        change, folder = subject.tried(seed, home)
        try:
            assert outcome(folder, subject.same, home / "cache")
        except Exception as error:
            raise AssertionError(f"{name} {seed}: {change}") from error


@pytest.mark.parametrize("payload", [p for p in PAYLOADS if isinstance(p, dict)], ids=str)
def test_no_option_of_a_saved_part_calls_anything(payload: Any, home: Path) -> None:
    if not (home / "direct").exists():
        rule().save(home / "direct")
    saved = read_saved(home / "direct")
    for value in (payload, [payload], {"deep": payload}):
        facts = copy.deepcopy(saved.facts)
        facts["settled"]["model"]["options"]["order"] = value
        folder = Path(tempfile.mkdtemp(dir=home)) / "m"
        write(Saved(facts, saved.weights, saved.history), folder)
        with pytest.raises(TslmError, match="must be a number"), WATCH.on(home / "cache"):
            load_estimator(folder)
        assert not WATCH.seen


def main(count: int) -> None:
    """Try many changes of each kind of model; print how they ended."""
    ends: Counter[str] = Counter()
    failures = 0
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        home = Path(place)
        patch.setenv("TSLM_CANARY", CANARY)
        patch.setenv("TSLM_CACHE", str(home / "cache"))
        (home / "evil_part.py").write_text("raise SystemExit('imported')")
        patch.syspath_prepend(home)
        patch.chdir(home)
        warnings.simplefilter("ignore")
        for name in KINDS:
            subject = Subject(name, home)
            for seed in range(count):
                change, folder = subject.tried(seed, home)
                before = peak()
                signal.signal(signal.SIGALRM, hangs)
                signal.alarm(60)
                try:
                    ends[f"{name}: {outcome(folder, subject.same, home / 'cache')}"] += 1
                    assert peak() - before < 2**20, f"{(peak() - before) >> 10} MB"
                except Exception as error:
                    failures += 1
                    reason = f"{type(error).__name__}: {error}"
                    print(f"FAILED {name} {seed}: {change}\n  {reason}"[:600])
                    traceback.print_exc(limit=-3, file=sys.stdout)
                finally:
                    signal.alarm(0)
            print(f"{name}: {count} changes, {failures} failures so far", flush=True)
    for end, number in sorted(ends.items()):
        print(f"{end:<40}{number:>7}")
    print(f"{count * len(KINDS)} changed folders, {failures} failures")
    sys.exit(failures > 0)


def hangs(*_: Any) -> None:
    raise TimeoutError("hangs")


def peak() -> int:
    """Largest memory so far, in kB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    main(int(sys.argv[1]))
