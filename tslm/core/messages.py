"""Messages for users: lists of names, counts, suggestions, and two checks that many parts need."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

import numpy as np

from tslm.core.errors import ConfigError

OTHER_NAMES = {  # names of our settings in other libraries, and in earlier versions
    "context_len": "context_length",
    "dataset": "benchmark",
    "epochs": "max_epochs",
    "futr_exog_list": "futr_exog",
    "hist_exog_list": "hist_exog",
    "horizon": "h",
    "input_size": "context_length",
    "law": "distribution",
    "lr": "learning_rate",
    "n_epochs": "max_epochs",
    "pred_len": "h",
    "prediction_length": "h",
    "season": "season_length",
    "seed": "random_state",
    "seq_len": "context_length",
    "stat_exog_list": "static_exog",
    "steps": "max_steps",
}


def naming(ids: Iterable[object], limit: int = 5) -> str:
    """Name up to ``limit`` ids in a message: ``'a', 'b' and more``."""
    first = [i.item() if isinstance(i, np.generic) else i for i in islice(ids, limit + 1)]
    return ", ".join(map(repr, first[:limit])) + " and more" * (len(first) > limit)


def counted(number: int | np.integer, noun: str) -> str:
    """Count things in a message: ``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(word: object, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Find the known word that is spelled most like another one, without regard to case.

    Args:
        word: the word that is not known.
        known: the words to choose from.
        cutoff: similarity below which nothing is found, from 0 to 1 (equal).
    """
    lower: dict[str, str] = {}
    for one in known:
        lower.setdefault(one.lower(), one)
    close = get_close_matches(str(word).lower(), lower, n=1, cutoff=cutoff)
    return lower[close[0]] if close else None


def did_you_mean(word: object, known: Iterable[str], form: str = "{}") -> str:
    """Write a suggestion with a space before it: `` Did you mean fit?``, or nothing.

    Args:
        word: the word that is not known.
        known: the words to choose from.
        form: the suggestion around the known word; ``{!r}`` quotes it.
    """
    guess = nearest(word, known)
    return "" if guess is None else f" Did you mean {form.format(guess)}?"


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Write the message for a setting that does not exist.

    Args:
        key: the setting; an option of a part has a dot: ``adapter.patch_len``.
        known: the settings that exist.
    """
    first, dot, option = key.partition(".")
    renamed = f"{OTHER_NAMES.get(first, first)}{dot}{option}"
    close = (
        nearest(key, known, cutoff=0.85)
        or (renamed if renamed in known else None)
        or nearest(key, known)
        or nearest(key.split(".")[-1], [k.split(".")[-1] for k in known])
    )
    part = key.rpartition(".")[0]
    part = part if any(k.startswith(f"{part}.") for k in known) else ""
    siblings = [k for k in known if k.rpartition(".")[0] == part]
    hint = f"did you mean {close}?" if close else f"known: {', '.join(siblings or known)}."
    return f"{key} is not a setting: {hint}"


def unknown_choice(name: str, value: object, choices: Collection[str]) -> str:
    """Write the message for a value that is not among the choices.

    Args:
        name: the setting.
        value: its value, as it is to be shown: text of a Python argument is quoted.
        choices: the values it can have.
    """
    hint = did_you_mean(str(value).strip("'"), choices)
    return f"{name}={value} is unknown.{hint} Choose one of {', '.join(choices)}."


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        ConfigError: with the choices, and with the nearest one.
    """
    if value not in choices:
        raise ConfigError(unknown_choice(name, repr(value), choices))


def at_least(minimum: int, **settings: int) -> None:
    """Refuse settings below a minimum.

    Args:
        minimum: the smallest allowed value.
        settings: the values by name, as in ``at_least(1, patch_len=16, stride=8)``.

    Raises:
        ConfigError: with the first setting that is too small.
    """
    for name, value in settings.items():
        if value < minimum:
            raise ConfigError(f"{name}={value!r} must be at least {minimum}.")


def whole_number(name: str, value: object) -> int:
    """Return a setting that must be a whole number of at least 1.

    Raises:
        ConfigError: if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ConfigError(f"{name}={value!r} must be a whole number of at least 1.")
    return int(value)
