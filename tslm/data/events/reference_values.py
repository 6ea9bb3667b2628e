"""Reference values of a covariate and of the target, as an estimate of the target.

"At full load (=1) the fan turns at 3000 rpm" and "the maximal speed is 3000 rpm and the maximal
pressure is 37.5 Pa" give a point of the curve that leads from the covariate to the target. With the
law of the curve, which is a proportion where the text names no other, the covariate becomes an
estimate of the target in its own units.
"""

import re

import pandas as pd

from tslm.data.events.written_values import NUMBER, number

_FULL = r"(?:full|maximum|maximal|max\.?|highest|peak|top|nominal|rated|largest)"
# "at full load (=1), the fan turns at a maximum speed of 3000 rpm"
_AT = re.compile(
    rf"\bat (?:a |the |its )?(?:{_FULL} )?(?P<name>[\w ]{{1,60}}?)\s*(?:\(\s*=?\s*|\bof\s+|=\s*)"
    rf"(?P<at>{NUMBER})\s*%?\s*\w*\s*\)?\s*,?(?P<middle>[^.;]{{0,200}}?)(?P<value>{NUMBER})",
    re.IGNORECASE,
)
# "the maximal fan speed is 3000 rpm", "maximum pressure of 37.5 Pa"
_MOST = re.compile(
    rf"\b{_FULL}\s+(?P<name>[\w ]{{0,60}}?)\s*(?:\bis\b|\bof\b|=|:|\bequals\b)\s*"
    rf"(?P<value>{NUMBER})",
    re.IGNORECASE,
)
_POWERS = {
    2.0: r"square of|squared|quadratic|affinity laws?",
    3.0: r"cube of|cubed|cubic",
    0.5: r"square root of",
}  # powers of laws, by the words for them; those of a fan are its affinity laws


def add_estimates(table: pd.DataFrame, text: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add estimates of the target by the reference points that a text states.

    Args:
        table: covariates, one column each.
        text: the text without the covariates themselves.

    Returns:
        The table with a column for each estimate, and the names of these columns.
    """
    found: dict[str, pd.Series] = {}
    for name in table.columns:
        if (point := _reference(str(name), text)) is not None:
            at, value, target = point
            found[f"{target} by {name}"] = value * (table[name] / at).clip(lower=0) ** _power(text)
    return table.assign(**found), tuple(found)


def _reference(name: str, text: str) -> tuple[float, float, str] | None:
    """Return a value of a covariate, the value of the target there, and the name of the target."""
    word = name.split()[-1].lower()
    for match in _AT.finditer(text):
        if word in match["name"].lower().split() and number(match["at"]) > 0:
            target = re.search(r"(\w+)\s+(?:of|is|at|equals|=)\s*$", match["middle"])
            return number(match["at"]), number(match["value"]), target[1] if target else "value"
    most = [(m["name"].lower(), number(m["value"])) for m in _MOST.finditer(text)]
    own = [value for words, value in most if word in words.split()]
    other = [(words, value) for words, value in most if word not in words.split()]
    if own and len(other) == 1 and own[0] > 0:
        return own[0], other[0][1], other[0][0].split()[-1] if other[0][0] else "value"
    return None


def _power(text: str) -> float:
    """Return the power of the law that a text names; 1 for a proportion."""
    for power, words in _POWERS.items():
        if re.search(words, text, re.IGNORECASE):
            return power
    return 1.0
