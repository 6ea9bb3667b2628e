"""Clock that jumps: ``time.time`` by an offset that changes while a process runs.

It is imported before all other modules, so that they all get this clock. Until ``jump_about`` is
called the offset is 0.
"""

import random
import time

DAY = 86_400.0
FARTHEST = 400 * DAY
_seconds, _nanoseconds = time.time, time.time_ns
_offset, _dice = 0.0, random.Random()
_calls_left = -1  # until the next jump; negative: never


def _now() -> float:
    global _offset, _calls_left
    if _calls_left == 0:
        _offset = _dice.uniform(-FARTHEST, FARTHEST)
        _calls_left = _dice.randrange(1, 20)
    _calls_left -= _calls_left > 0
    return _seconds() + _offset


def _now_ns() -> int:
    return _nanoseconds() + int((_now() - _seconds()) * 1e9)


def jump_about(seed: int) -> None:
    """Let the clock jump now, and again after every few times that it is read."""
    global _calls_left
    _dice.seed(seed)
    _calls_left = 0


time.time, time.time_ns = _now, _now_ns
