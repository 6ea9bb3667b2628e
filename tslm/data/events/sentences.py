"""Sentences of a text: cut at full stops and line breaks, never inside a number, date or name."""

import re

_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|a\.m|p\.m|u\.s|etc|vs|approx|ca|cf|no|nr|mrs?|ms|dr|st|inc|ltd|corp?|max|min"
    r"|avg|pop|fig|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)$",
    re.IGNORECASE,
)
_STOPS = ".!?\u3002\uff01\uff1f"  # the last three are those of Chinese and Japanese
_CLOSING = "\"'\u201d\u2019)\\]"
_END = re.compile(
    rf"[{_STOPS}]+[{_CLOSING}]*(?=\s|$)|[\u3002\uff01\uff1f]+"
    r"|(?<=[A-Za-z)])\.(?=[A-Z][a-z]+\s)|\n\s*\n|\n"
)


def sentences(text: str) -> list[str]:
    """Cut a text into sentences, without empty ones.

    A full stop ends a sentence if a space or the end of the text follows, or if a capitalised word
    follows directly ("city A.Suppose that"). A line break ends one as well, unless the line goes on
    in lower case. The stop after a common abbreviation ends none.
    """
    found, start = [], 0
    for stop in _END.finditer(text):
        if not _ends(text, start, stop):
            continue
        found.append(text[start : stop.end()])
        start = stop.end()
    found.append(text[start:])
    return [" ".join(each.split()) for each in found if re.search(r"\w", each)]


def _ends(text: str, start: int, stop: "re.Match[str]") -> bool:
    """Say if a match of ``_END`` is the end of a sentence that begins at ``start``."""
    before, after = text[start : stop.start()], text[stop.end() :].lstrip(" ")
    if stop[0] == "\n":
        return not (after[:1].islower() and before.rstrip()[-1:].isalnum())
    if stop[0].startswith("."):
        known = _ABBREVIATION.search(before)
        return not (known and (after[:1].islower() or after[:1].isdigit()))
    return True
