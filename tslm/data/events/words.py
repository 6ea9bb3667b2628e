"""Numbers and units of time, as words and as digits."""

import re

_WORDS = {
    "zero": 0.0, "half a": 0.5, "half an": 0.5, "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0,
    "a couple of": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
    "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "fifteen": 15.0,
    "twenty": 20.0, "twenty-four": 24.0, "thirty": 30.0, "forty-eight": 48.0, "sixty": 60.0,
    "ninety": 90.0, "hundred": 100.0, "a hundred": 100.0, "a dozen": 12.0,
}  # fmt: skip
_LARGE = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:e[-+]?\d+)?|\.\d+)"
_NAMES = "|".join(sorted(_WORDS, key=len, reverse=True))
NUMBER = rf"(?:{DIGITS}|(?:{_NAMES})(?![a-z]))"  # a number, as digits or as a word
UNITS = (
    r"seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|nights?|weeks?|months?|quarters?|years?"
    r"|(?:time[- ]?)?steps?|periods?"
)
_UNITS = {
    "sec": "seconds", "min": "minutes", "hour": "hours", "hr": "hours", "day": "days",
    "night": "days", "week": "weeks", "month": "months", "quarter": "quarters", "year": "years",
}  # fmt: skip


def number(text: str) -> float:
    """Read a number: "3,000", ".6", "two", "half an", "2 million".

    Raises:
        ValueError: if it is none.
    """
    low = " ".join(text.lower().split())
    for name, factor in _LARGE.items():
        if low.endswith(name):
            return number(low.removesuffix(name).strip() or "one") * factor
    return _WORDS[low] if low in _WORDS else float(low.replace(",", ""))


def plural(unit: str) -> str:
    """Return the name of a unit of time as pandas has it: "hrs" gives "hours"; else "steps"."""
    low = unit.lower()
    return next((name for start, name in _UNITS.items() if re.match(start, low)), "steps")
