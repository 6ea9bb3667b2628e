"""Lists of (time, value) and tables in free text, such as "2023-08-01: 2.4" line by line."""

import re
from collections.abc import Sequence

import pandas as pd

from tslm.data.events.time_points import MARK, TimePoint
from tslm.data.events.written_values import WrittenValue, number, tidy_name

FEWEST = 3  # pairs that make a list

_CELL = r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w\u27e7])"
_NEXT = r"[ \t]*(?:[,;:=|]|\t|->|\u2192|\u2013|-(?=\s)|\bis\b|\bwas\b)?[ \t]*"
_UNIT = r"(?:[ \t]?(?:%|\u00b0[CF]?|[A-Za-z][\w/\u00b2\u00b3]{0,7}\b(?![ \t]*[A-Za-z])))?"
_PAIR = re.compile(
    rf"[(\[{{|*\u2022-]{{0,4}}[ \t]*['\"]?{MARK}['\"]?(?P<values>(?:{_NEXT}(?:{_CELL}){_UNIT})+)"
    rf"[ \t]*[)\]}}|]{{0,4}}"
)
_BETWEEN = re.compile(r"[\s,;.|]*(?:and\s*)?[\s,;.|]*")
_RULE = re.compile(r"[\s\-=_*~|:+]*")  # a line below a heading


def read_lists(text: str, points: Sequence[TimePoint]) -> tuple[list[WrittenValue], str]:
    """Read lists and tables of numbers whose rows begin with a time.

    Args:
        text: a marked text, see ``mark_times``.
        points: its points of time.

    Returns:
        The values, and the text without the lists.
    """
    found: list[WrittenValue] = []
    rest, end = "", 0
    for pairs in _runs(text):
        head = text[end : pairs[0].start()]
        rows = [[number(each) for each in re.findall(_CELL, pair["values"])] for pair in pairs]
        names, kept = _names(head, min(map(len, rows)))
        moments = [points[int(pair[1])] for pair in pairs]
        for row, moment in zip(rows, moments, strict=True):
            for name, value in zip(names, row, strict=False):
                found.append(WrittenValue(name, pd.Timestamp(moment.moment), None, value, True))
        rest += kept
        end = pairs[-1].end()
    return found, rest + text[end:]


def _runs(text: str) -> list[list["re.Match[str]"]]:
    """Return the pairs of each list: neighbours with nothing but punctuation between them."""
    runs: list[list[re.Match[str]]] = []
    for pair in _PAIR.finditer(text):
        near = runs and _BETWEEN.fullmatch(text, runs[-1][-1].end(), pair.start())
        if near:
            runs[-1].append(pair)
        else:
            runs.append([pair])
    return [run for run in runs if len(run) >= FEWEST]


def _names(head: str, number_of_columns: int) -> tuple[list[str], str]:
    """Return the names of the columns of a list, and the text before it without its heading.

    The heading is the last line before the list, or the words before a colon.
    """
    lines = head.split("\n")
    while lines and _RULE.fullmatch(lines[-1]):
        lines.pop()
    if not lines:
        return [f"list {i + 1}" if i else "" for i in range(number_of_columns)], ""
    heading = lines[-1]
    cells = [tidy_name(cell) for cell in re.split(r"[,;|\t:]", heading)]
    cells = [cell for cell in cells if cell]
    if len(cells) == number_of_columns + 1:  # the first one is the heading of the times
        return cells[1:], "\n".join(lines[:-1]) + "\n"
    own = re.split(r"(?<=[.!?])\s", heading)[-1]
    name = tidy_name(own)
    names = (
        [name] if number_of_columns == 1 else [f"{name} {i + 1}" for i in range(number_of_columns)]
    )
    return names, head[: head.rfind(own)]
