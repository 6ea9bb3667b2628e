"""Limits of the forecast server: sizes, numbers and times of requests."""

from dataclasses import dataclass, fields
from math import isfinite

from tslm.core.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """Limits of requests, and of the batches they are joined into.

    Attributes:
        body_megabytes: size of the body of a request.
        request_values: numbers of a request: those of its tables, and those of its forecast.
        batch_requests: requests that are forecast at once.
        batch_values: numbers of the requests that are forecast at once; a larger request is
            forecast alone.
        batch_wait: seconds that a request waits for others that are being received.
        queued_requests: requests that wait for a model; further ones are refused.
        timeout: seconds from the first byte of a request to its answer.

    Raises:
        ConfigError: if one of them is not above 0; ``batch_wait`` may be 0.
    """

    body_megabytes: float = 64.0
    request_values: int = 5_000_000
    batch_requests: int = 64
    batch_values: int = 1_000_000
    batch_wait: float = 0.005
    queued_requests: int = 256
    timeout: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            whole = field.type is float or isinstance(value, int)
            lowest = value >= 0 if field.name == "batch_wait" else number and value > 0
            if not (number and whole and lowest and isfinite(value)):
                kind = "number" if field.type is float else "whole number"
                raise ConfigError(f"{field.name}={value!r} must be a {kind} above 0.")

    @property
    def body_bytes(self) -> int:
        """Return the size of the body of a request in bytes."""
        return int(self.body_megabytes * 2**20)
