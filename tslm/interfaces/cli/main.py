"""The ``tslm`` command: read the words, run the verb, exit with a code.

Only the standard library is imported here, so that ``tslm --help`` is fast.
"""

import io
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from tslm.interfaces.cli.verbs import OTHERS, VERBS, overview

SYNONYMS = {"train": "fit", "forecast": "predict", "version": "--version", "cv": "backtest"}
SWEEP = ("-m", "--multirun")
QUIET = ("-q", "--quiet")
INTERRUPTED, TERMINATED = 130, 143  # exit codes of a shell for Ctrl-C and SIGTERM


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit.

    Args:
        argv: the words after ``tslm``; None takes those of the process.

    Raises:
        SystemExit: always. The code is 0 if the command is done, 2 if the user's input or settings
            are wrong, 130 after Ctrl-C, 143 after SIGTERM, and 1 for any other error.
    """
    for stream in (sys.stdout, sys.stderr):  # print ? for letters the terminal does not have
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"] and len(words) > 1:  # tslm help fit
        words = [words[1], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview(), end="")
        sys.exit(0)
    if words[0] in ("--version", "-V"):
        from tslm import __version__

        print(f"tslm {__version__}")
        sys.exit(0)
    with _exit_on_sigterm():
        sys.exit(_run(words[0], words[1:]))


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM, so that unfinished files are removed as after an error."""
    if current_thread() is not main_thread():  # other threads cannot set signal handlers
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
    """Run a verb and return the exit code; print errors of the user as one line."""
    from tslm.core.errors import TslmError

    try:
        _dispatch(verb, words)
    except TslmError as error:
        print(f"tslm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tslm: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as head, has ended
        sys.stderr.close()
        return 0
    except (MemoryError, RuntimeError, OSError) as error:
        return _out_of_memory(error)
    return 0


def _out_of_memory(error: Exception) -> int:
    """Print one line if an error says that memory ran out, and return the exit code.

    Raises:
        Exception: any other error.
    """
    from tslm.core.memory import ran_out

    if not ran_out(error):
        raise error
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    print(
        "tslm: memory ran out. Give fewer rows or series, or a smaller h; for a large Parquet data "
        f"set, tslm predict takes engine=local. ({reason})",
        file=sys.stderr,
    )
    return 2


def _dispatch(verb: str, words: list[str]) -> None:
    """Find the verb in the table and run it, or print its help.

    Raises:
        ConfigError: if there is no such verb.
    """
    from tslm.core.errors import ConfigError
    from tslm.core.messages import did_you_mean

    wants_help = bool({"-h", "--help"} & set(words))
    if verb in OTHERS and wants_help:
        return print(overview(), end="")
    if verb in OTHERS:
        OTHERS[verb].load()(words)
        return None
    if words == ["list"]:
        from tslm.interfaces.cli.catalog_commands import print_choices

        if print_choices(verb):
            return None
    if verb not in VERBS:
        meant = SYNONYMS.get(verb)
        hint = f" Did you mean {meant}?" if meant else did_you_mean(verb, (*VERBS, *OTHERS))
        raise ConfigError(f"{verb} is not a verb.{hint} tslm --help lists the verbs.")
    if wants_help:
        from tslm.interfaces.cli.help import print_help

        return print_help(verb)
    return _work(verb, words)


def _work(verb: str, words: list[str]) -> None:
    """Run a verb once, or once for every combination of a sweep."""
    from tslm.core.config.compose import compose
    from tslm.core.config.hydra_grammar import sweep
    from tslm.core.config.validation import complete
    from tslm.interfaces.cli.output import reporter, show_warnings, silence_other_processes

    show_warnings()
    silence_other_processes()
    quiet, many = bool(set(QUIET) & set(words)), bool(set(SWEEP) & set(words))
    settings = [word for word in words if word not in (*SWEEP, *QUIET)]
    silent = quiet and not any(word.startswith("verbose=") for word in settings)
    jobs = sweep(settings) if many else [settings]
    checked = []
    for job in jobs:  # all are checked before the first one runs
        cfg = compose(f"verb/{verb}", job)
        if silent and "verbose" in cfg:
            cfg.verbose = 0
        checked.append(complete(cfg))
    if not many:
        VERBS[verb].load()(checked[0], reporter(checked[0].get("out"), quiet))
        return
    say = reporter(None, quiet)
    for number, (job, cfg) in enumerate(zip(jobs, checked, strict=True)):
        say(f"[{number}] {' '.join(job)}")
        if cfg.get("out") is not None:
            cfg.out = _numbered(cfg.out, number)
        VERBS[verb].load()(cfg, say)


def _numbered(out: str, number: int) -> str:
    """Return the output path of one job of a sweep: ``a/3`` for ``a``, ``cv/3.csv`` for ``cv.csv``.

    Args:
        out: the setting ``out`` of the sweep.
        number: the number of the job, from 0.
    """
    path = Path(out)
    stem, dot, ending = path.name.partition(".")
    return str(path.parent / stem / f"{number}{dot}{ending}")


if __name__ == "__main__":
    main()
