"""CSV files: separator, decimal mark and encoding are inferred, or given by the user.

Every cell is read as text first. A column becomes numbers if every cell is a number; ids stay text.
If two readings are possible, an error names the setting to pass.
"""

import codecs
import csv
import re
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from tslm.core.csv_cells import DECIMALS, MISSING, Cells, is_numeral
from tslm.core.errors import ConfigError, DataError, warn
from tslm.core.messages import naming

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
FALLBACK = "cp1252"  # Western European: the encoding of files that are no UTF-8, with a warning
HEAD = 65_536  # bytes read to infer separator and encoding
_SEEN = 1000  # rows that are compared with the names of the columns
_DATE = re.compile(r"\d+[-/.: ]\d+[-/.: ]\d+")  # beginning of a date
_MOMENT = re.compile(rf"{_DATE.pattern}[T\d:.Z +-]*")
_MARKS = (  # byte order marks; the longer ones first
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Dialect:
    """Dialect of a CSV file; None is inferred.

    Attributes:
        sep: separator of cells.
        decimal: decimal mark of numbers.
        encoding: encoding of the text.
    """

    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, sep: str | None, decimal: str | None, encoding: str | None) -> "Dialect":
        r"""Parse settings: a mark or its name, such as "semicolon", "tab" (or "\t") and "comma".

        Raises:
            ConfigError: if a setting is unknown.
        """
        mark = SEPARATORS.get(str(sep), sep)
        mark = "\t" if mark == r"\t" else mark
        if mark is not None and len(str(mark)) != 1:
            raise ConfigError(
                f"sep={sep!r} must be one character, or one of {', '.join(SEPARATORS)}."
            )
        point = DECIMALS.get(str(decimal), decimal)
        if point is not None and point not in DECIMALS.values():
            raise ConfigError(f"decimal={decimal!r} must be comma or point.")
        try:
            code = None if encoding is None else codecs.lookup(str(encoding)).name
        except (LookupError, ValueError) as error:
            raise ConfigError(
                f"encoding={encoding!r} is unknown. Common ones are utf-8, utf-16, cp1252, latin-1."
            ) from error
        return cls(mark, point, code)


def read_csv(
    begin: Callable[[], Any],
    title: str,
    dialect: Dialect = Dialect(),  # frozen
    ids: Collection[str] = (),
) -> pd.DataFrame:
    """Read a CSV file.

    Args:
        begin: opens the file at its first byte.
        title: name of the file in messages.
        dialect: separator, decimal mark and encoding, as far as the user gives them.
        ids: columns that stay text.

    Raises:
        DataError: if the file is no table, or can be read in two ways.
    """
    with begin() as file:
        head = file.read(HEAD)
    found = dialect.encoding or _encoding(head)
    if found is None:
        raise DataError(f"{title} holds bytes of value 0, so it is no text. Give a CSV file.")
    sep = dialect.sep or _separator(_decode(head, found), title)
    try:
        texts = _read_texts(begin, found, sep)
    except UnicodeDecodeError as error:
        if dialect.encoding is not None:
            raise DataError(
                f"{title} is not written in encoding={dialect.encoding}: {error.reason}. Pass "
                "another encoding=NAME, or leave it out."
            ) from error
        texts = _read_as_fallback(begin, sep, title)
    except ParserWarning as error:
        raise DataError(
            f"{title} has rows with more cells than its first line, cut at {sep!r}. Quote cells "
            "that hold it, or pass another separator as sep=."
        ) from error
    except EmptyDataError as error:
        raise DataError(f"{title} is empty. Give a table with names in its first line.") from error
    except ParserError as error:
        raise DataError(f"{title} cannot be read as a table: {error}") from error
    _check_repeated(_decode(head, found), sep, title)
    if f" {sep}" in _decode(head, found):  # cells such as those of "a , 1"
        texts = texts.apply(lambda cells: cells.str.rstrip(" "))
    _check_names(texts, title)
    return _to_types(texts, dialect.decimal, sep, ids, title)


def _encoding(head: bytes) -> str | None:
    """Infer the encoding from the first bytes; None if they are no text."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return "utf-8"
    pairs = len(head) // 2
    for odd, name in ((1, "utf-16-le"), (0, "utf-16-be")):  # every other byte of plain letters is 0
        if head[odd::2].count(0) > 0.6 * pairs and head[1 - odd :: 2].count(0) == 0:
            return name
    return None


def _decode(head: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(head)


def _separator(head: str, title: str) -> str:
    """Infer the separator: the mark that cuts every line into equally many cells.

    If several marks do, it is the one that cuts the first line into numbers and dates.

    Raises:
        DataError: if several marks do.
    """
    lines = [line for line in head.splitlines()[:100] if line.strip()]
    lines = lines[:-1] if len(lines) > 2 else lines  # the last one may be cut
    widths = {mark: [len(row) for row in _rows(lines, mark)] for mark in SEPARATORS.values()}
    cuts = {mark: own for mark, own in widths.items() if own and own[0] > 1}
    even = [mark for mark, own in cuts.items() if len(set(own)) == 1]
    if len(even) == 1:
        return even[0]
    whole = [mark for mark in even if all(map(_is_value, _rows(lines[:1], mark)[0]))]
    if len(whole) == 1:  # "20260101;1,5": a line of values, with decimal commas
        return whole[0]
    if len(even) > 1:
        words = " or ".join(f"sep={word}" for word, mark in SEPARATORS.items() if mark in even)
        raise DataError(f"{title} can be cut into columns in two ways. Pass {words}.")
    return max(cuts, key=lambda mark: cuts[mark][0], default=",")


def _is_value(cell: str) -> bool:
    """Return whether a cell is a number, or a date with or without a time."""
    return is_numeral(cell.strip()) or _MOMENT.fullmatch(cell.strip()) is not None


def _rows(lines: list[str], mark: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=mark, skipinitialspace=True))
    except csv.Error:
        return []


def _read_texts(begin: Callable[[], Any], encoding: str, sep: str) -> pd.DataFrame:
    """Read every cell as text."""
    with begin() as file, warnings.catch_warnings():
        warnings.simplefilter("error", ParserWarning)  # cells beyond the header are not dropped
        texts = pd.read_csv(
            file,
            sep=sep,
            encoding=encoding,
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            index_col=False,
            skipinitialspace=sep != "\t",
        )
    texts.columns = texts.columns.str.strip()
    empty = [n for n in texts if str(n).startswith("Unnamed: ") and texts[n].eq("").all()]
    return texts.drop(columns=empty) if len(texts) else texts


def _check_repeated(head: str, sep: str, title: str) -> None:
    """Refuse a file with two columns of the same name; pandas would rename the second one.

    Names with letters that could not be decoded are not compared.

    Raises:
        DataError: with the names.
    """
    first = next((row for row in _rows(head.splitlines(), sep) if any(row)), [])
    names = [name.strip() for name in first]
    known = [name for name in names if not is_numeral(name) and "\ufffd" not in name]
    again = [name for name in dict.fromkeys(known) if known.count(name) > 1]
    if again:
        raise DataError(
            f"{title} has several columns with the name {naming(again)}. Give every column a name "
            "of its own."
        )


def _check_names(texts: pd.DataFrame, title: str) -> None:
    """Refuse a file whose first line holds values; a row would be lost without a word.

    Raises:
        DataError: if every name is a number; or one is a date like those below it, or occurs below
            it beside another name that is a number.
    """
    if not len(texts):
        return
    names = [str(name) for name in texts.columns]
    columns = texts.head(_SEEN).to_numpy(dtype=object).T
    numbers = [name for name in names if is_numeral(name) and name not in MISSING]
    both = list(zip(names, columns, strict=True))
    dates = [name for name, cells in both if _DATE.match(name) and _looks_like(name, cells[0])]
    again = [name for name, cells in both if (cells == name).any()]
    if len(numbers) == texts.shape[1] or dates or (numbers and set(again) - set(numbers)):
        some = ", ".join(map(repr, names[:3]))
        raise DataError(
            f"The first line of {title} holds values, such as {some}, in place of names. Add a "
            "first line with the names of the columns, such as unique_id,ds,y."
        )


def _looks_like(name: str, cell: str) -> bool:
    """Return whether two texts are equal but for their digits."""
    return re.sub(r"\d", "0", name) == re.sub(r"\d", "0", cell)


def _read_as_fallback(begin: Callable[[], Any], sep: str, title: str) -> pd.DataFrame:
    """Read a file that is no UTF-8 as Western European, with a warning.

    Raises:
        DataError: if it is not that either.
    """
    try:
        texts = _read_texts(begin, FALLBACK, sep)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{title} is written neither in utf-8 nor in {FALLBACK}. Pass its encoding=NAME."
        ) from error
    warn(
        f"{title} is no UTF-8 and was read as {FALLBACK} (Western European). If it is another "
        "encoding, pass encoding=NAME."
    )
    return texts


def _to_types(
    texts: pd.DataFrame, decimal: str | None, sep: str, ids: Collection[str], title: str
) -> pd.DataFrame:
    """Convert columns of numbers to numbers; other columns stay text.

    Raises:
        DataError: if the decimal mark is ambiguous.
    """
    columns = [Cells.of(texts.iloc[:, i], decimal, sep) for i in range(texts.shape[1])]
    certain = {
        mark for cells in columns if cells.marked and len(cells.marks) == 1 for mark in cells.marks
    }
    typed: list[pd.Series] = []
    for name, cells in zip(texts.columns, columns, strict=True):
        marks = [mark for mark in cells.marks if mark in certain] or cells.marks
        if name in ids or not marks:
            typed.append(cells.text() if name in ids else cells.word())
        elif len(marks) > 1 and cells.marked:
            raise DataError(
                f"{title} has numbers such as {cells.example()!r} in column {name!r}. Their mark "
                "may be a decimal mark or a thousands separator. Pass decimal=comma or "
                "decimal=point."
            )
        else:
            typed.append(cells.number(marks[0]))
    return pd.concat(typed, axis=1).set_axis(texts.columns, axis=1)  # names may occur twice
