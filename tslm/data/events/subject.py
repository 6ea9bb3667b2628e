"""Subject of a text: the quantity that is forecast, and whether a clause speaks of it."""

import re

_NAMED = [  # ways in which a text names the quantity
    re.compile(
        r"\b(?:task|goal|aim|objective)\sis\sto\s(?:forecast|predict|estimate)\s(?:the\s)?"
        r"(?:future\s)?(?:values?\sof\s(?:the\s)?)?(?P<name>[^.;\n]+)",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:\band\s|,\s|^|\.\s)(?P<name>\w+(?:\s\w+){0,3})\sis\sthe\s(?:variable|quantity)\sto\s(?:be\s)?"
        r"(?:forecast|predict)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:this|the)\s(?:time\s)?(?:series|data|dataset)\s(?:contains?|represents?|records?|"
        r"estimates?|shows?|gives?|measures?|is|tracks?|describes?)\s(?:the\s)?(?P<name>[^.;\n]+)",
        re.IGNORECASE,
    ),
    re.compile(r"\bthis\sis\s(?:the\s|a\sseries\sof\s)?(?P<name>[^.;\n]+)", re.IGNORECASE),
]
_CUT = re.compile(
    r"\s(?:recorded|measured|captured|arriving|for|at|from|by|during|over|given|that|which|when|where"
    r"|responded|coming)\b|,"
)
_STOP = frozenset(  # words that name no quantity: grammar, measures, and common verbs
    re.findall(
        r"\w+",
        """
        the a an of in on at for to from by with and or is are be been was were it its this that
        these those there their they as we will would can could may might must shall should not
        never no than more less most least any all each every some such which who what when where
        how if so also only always but however about exactly total amount mean average daily hourly
        monthly weekly yearly maximum minimum maximal minimal max min upper lower limit bound bounds
        peak level rate index value values series forecast forecasts forecasted prediction
        predictions predicted reading readings observation observations measurement measurements
        data target result results number numbers figure figures count counts time variable
        everything future within above below under over between suppose assume given during do does
        lie lies stay stays remain remains keep kept go goes reach reaches fall falls drop drops
        rise rises exceed expected allowed guaranteed known required has have had having note
        consider operate operates ranges range vary varies let sure possible
        """,
    )
)


def find_subject(text: str) -> str | None:
    """Return the quantity that a text is about, in its words; None if it names none."""
    for pattern in _NAMED:
        match = pattern.search(text)
        if match is not None:
            name = _CUT.split(" " + match["name"])[0].strip()
            if words(name):
                return name
    return None


def words(text: str) -> frozenset[str]:
    """Return the stems of the words that carry meaning."""
    found = re.findall(r"[^\W\d]\w*", text.lower())
    return frozenset(_stem(word) for word in found if word not in _STOP)


def concerns(clause: str, subject: str | None) -> bool:
    """Return whether the words before or after a bound speak of the subject.

    Words such as "the values" or "it" speak of it, and so does a clause that names nothing. If the
    subject is unknown, every clause does.

    Args:
        clause: the words that say what is bounded.
        subject: the quantity, or None if it is unknown.
    """
    named, wanted = words(clause), words(subject or "")
    return not wanted or not named or bool(named & wanted)


def _stem(word: str) -> str:
    """Return a word without its ending: "fires" and "fire" have one stem."""
    for ending in ("ations", "ation", "ings", "ing", "ies", "es", "ed", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
