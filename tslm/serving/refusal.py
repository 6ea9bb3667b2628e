"""Refusal of a request, with its HTTP status."""


class RefusedError(Exception):
    """Request that is not answered with a forecast.

    Attributes:
        status: HTTP status.
        message: what is wrong, and how to do it right.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}
