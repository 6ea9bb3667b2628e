"""Patterns of the sentences that state a value and when it holds, for marked texts.

Times are marks, see ``mark_times``. Groups: ``number`` or ``state`` is the value, ``span`` the
words with its times, ``after`` stands for the time after the value before, and ``subject`` names
the quantity.
"""

import re

from tslm.data.events.time_points import MARK
from tslm.data.events.written_values import NUMBER

_WORDS = r"[^.,;:\u27e6\u27e7]"  # a character of the name of a quantity
_DASH = r"-|\u2013|\u2014"
_TO = rf"(?:to|until|till|til|through|thru|up to|and|{_DASH})"
_FROM = r"(?:from|starting(?: from| at| on)?|after|since|as of|beginning (?:at|on))"
_SPAN = (
    rf"(?:(?:from|between|for|during)\s+{MARK}\s*{_TO}\s*{MARK}"
    rf"|{_FROM}\s+{MARK}(?:\s+on(?:wards?)?)?"
    rf"|(?:until|till|up to|before|through)\s+{MARK}"
    rf"|(?:at|on|by)\s+{MARK}"
    rf"|{MARK}\s*(?:to|until|till|through|{_DASH})\s*{MARK})"
)
_WHEN = rf"(?:(?P<span>{_SPAN})|(?P<after>afterwards?|thereafter|after that|from then on|then on))"
_IS = (
    r"(?:(?:will|would|should|to|is|are|was|were|has|have|had|we expect that|it)\s+)*"
    r"(?:(?:smoothly|rapidly|quickly|suddenly|slowly|gradually|then|and|again) )*"
    r"\b(?:be|is|are|was|were|been|becomes?|became|turn(?:s|ed)?|go(?:es)?|went|stay(?:s|ed)?"
    r"|remain(?:s|ed)?|chang(?:es?|ed)|switch(?:es|ed)?|set|takes?|took|reach(?:es|ed)?|rises?"
    r"|rose|drop(?:s|ped)?|falls?|fell|increas(?:es?|ed)|decreas(?:es?|ed)|jump(?:s|ed)?"
    r"|equals?|averages?|runs?|ran|operates?|operated|starts?|started|begins?|began|moves?|moved"
    r"|climbs?|climbed|dips?|dipped)\b"
    r"(?:\s+(?:set|raised|lowered|increased|reduced|changed|held|kept|expected|forecast|planned))?"
    r"(?:\s+(?:to be|to|at|on|equal to|about|around|approximately|as|a value of|of|the value))*"
)
_UNIT = r"(?:\s?(?:%|\u00b0[CF]?|[A-Za-z/\u00b2\u00b3]{1,12}))?"
_AMOUNT = rf"(?P<number>{NUMBER}){_UNIT}"
_STATE = r"(?P<state>[A-Za-z]+(?:[ -][A-Za-z]+)?)"
_END = r"(?=\s*(?:[.,;!?)]|$|and\b|until\b|from\b))"
_STARTS = r"(?:starts?|started|begins?|began)\s+(?:out\s+)?(?:at|with|from)\s+(?:a value of\s+)?"
_FIRST = r"(?:at the (?:beginning|start|outset)(?: of [\w ]{1,60})?|initially|at first)"

# "0.1 from 08:00 until 09:00", "5 afterwards"
VALUE_FIRST = re.compile(
    rf"{_AMOUNT}(?:\s*,)?(?:\s+(?:only|each day|every day|daily))?\s+{_WHEN}", re.IGNORECASE
)
# "cloudy between 08:00 and 10:00", "clear afterwards"
STATE_FIRST = re.compile(
    rf"(?:^|[,;:]|\b(?:is|are|was|be|and|then|become|becomes|turn|turns|stay|stays))\s*"
    rf"(?P<state>[A-Za-z]+)\s+{_WHEN}",
    re.IGNORECASE,
)
# "at 08:00 the speed changes to 3", "from 08:00 to 09:00 it is 3", "08:00 to 09:00: 3"
SPAN_FIRST = re.compile(
    rf"(?P<span>{_SPAN})\s*(?:,\s*)?(?:(?P<subject>{_WORDS}{{0,120}}?)\s*\b{_IS}\s*|[:=]\s*)"
    rf"(?:{_AMOUNT}|{_STATE}){_END}",
    re.IGNORECASE,
)
# "the speed starts at 3"
STARTING = re.compile(rf"(?P<subject>{_WORDS}{{0,120}}?)\s+{_STARTS}{_AMOUNT}", re.IGNORECASE)
# "at the beginning of the series, the weather was cloudy", "initially the load is 4"
AT_FIRST = re.compile(
    rf"{_FIRST}\s*,?\s*(?P<subject>{_WORDS}{{0,120}}?)\s*\b{_IS}\s*(?:{_AMOUNT}|{_STATE}){_END}",
    re.IGNORECASE,
)
# the words before a value: "the load is set to", "expect a load of", "Temperature:"
SUBJECTS = (
    re.compile(rf"(?P<subject>{_WORDS}{{0,120}}?)\s*\b{_IS}\s*(?::\s*)?$", re.IGNORECASE),
    re.compile(rf"(?P<subject>{_WORDS}{{0,120}}?)\s+of\s+$", re.IGNORECASE),
    re.compile(rf"(?P<subject>{_WORDS}{{1,120}}):\s*$"),
)
ONLY_END = re.compile(r"(?:until|till|up to|before|through)\b", re.IGNORECASE)
