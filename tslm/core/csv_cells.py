"""Cells of CSV files: texts that are numbers, with a decimal point or comma, or no numbers."""

import re
from dataclasses import dataclass

import pandas as pd

DECIMALS = {"point": ".", "comma": ","}
_TRUTHS = ("True", "TRUE", "true", "False", "FALSE", "false")
_MISSING = ("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN")
_NULL = ("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
MISSING = frozenset(("", *_MISSING, *_NULL))  # of numbers; a text is missing if its cell is empty
_BOOLS = {text: text in ("True", "TRUE", "true") for text in _TRUTHS}
_SPACED = re.compile(r"(?<=\d)[ '\u2019\u00a0\u202f](?=\d{3}(?!\d))")  # 1 234 567,8 or 1'234'567.8


def _numeral(decimal: str) -> re.Pattern[str]:
    """Return the pattern of numbers with a decimal mark, with or without thousands separators."""
    thousands = "," if decimal == "." else r"\."
    whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+)"
    return re.compile(
        rf"\s*[+-]?(?:{whole}(?:{re.escape(decimal)}\d*)?|{re.escape(decimal)}\d+)(?:[eE][+-]?\d+)?\s*"
    )


_NUMERALS = {mark: _numeral(mark) for mark in DECIMALS.values()}


def is_numeral(text: object) -> bool:
    """Return whether a text is a number, with either decimal mark, or a mark for a missing one."""
    if not isinstance(text, str):
        return False
    plain = _SPACED.sub("", text)
    return text in MISSING or any(numeral.fullmatch(plain) for numeral in _NUMERALS.values())


@dataclass(frozen=True)
class Cells:
    """Cells of one column.

    Attributes:
        texts: cells as text; missing where they are one of ``MISSING``.
        raw: cells as text.
        plain: cells parsed with a decimal point; NaN where they are no number.
        marks: decimal marks with which every cell is a number.
        marked: True if any cell has a point or a comma.
    """

    texts: pd.Series
    raw: pd.Series
    plain: pd.Series
    marks: tuple[str, ...]
    marked: bool

    @classmethod
    def of(cls, raw: pd.Series, decimal: str | None, sep: str) -> "Cells":
        """Inspect every cell; if commas separate columns, a point is a decimal mark."""
        texts = raw.where(~raw.isin(MISSING))
        known = texts.dropna()
        plain = pd.to_numeric(texts, errors="coerce")
        whole = bool(plain.notna().sum() == len(known))
        marked = bool(known.str.contains("[.,]").any())
        if whole and (not marked or decimal == "." or (decimal is None and sep == ",")):
            return cls(texts, raw, plain, (".",), marked)
        marks = [decimal] if decimal is not None else DECIMALS.values()
        return cls(texts, raw, plain, tuple(m for m in marks if _fits(known, m)), marked)

    def text(self) -> pd.Series:
        """Return text; only empty cells are missing."""
        return self.raw.where(self.raw.ne(""))

    def word(self) -> pd.Series:
        """Return booleans if every cell is one, text otherwise."""
        truths = self.raw.map(_BOOLS)
        return truths.astype(bool) if truths.notna().all() else self.text()

    def number(self, mark: str) -> pd.Series:
        """Return numbers, read with this decimal mark."""
        if mark == "." and self.plain.notna().sum() == self.texts.notna().sum():
            return self.plain
        plain = self.texts.str.replace(_SPACED, "", regex=True)
        plain = plain.str.replace("." if mark == "," else ",", "", regex=False)
        return pd.to_numeric(plain.str.replace(",", ".", regex=False), errors="coerce")

    def example(self) -> str:
        """Return a cell with a point or a comma."""
        known = self.texts.dropna()
        return str(known[known.str.contains("[.,]")].iloc[0])


def _fits(known: pd.Series, mark: str) -> bool:
    """Return True if every text is a number with this decimal mark."""
    pattern = _NUMERALS[mark]
    return all(pattern.fullmatch(_SPACED.sub("", text)) for text in known)
