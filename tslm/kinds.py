"""Frames of any kind in, the same kind out: polars and Arrow become pandas on the way."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import narwhals as nw
import pandas as pd

Method = TypeVar("Method", bound=Callable[..., Any])
BACK: dict[nw.Implementation, Callable[[Any], Any]] = {
    nw.Implementation.POLARS: lambda frame: frame.to_polars(),
    nw.Implementation.PYARROW: lambda frame: frame.to_arrow(),
}


def same_kind(method: Method) -> Method:
    """Let a method of pandas frames take and give frames of other libraries.

    The first frame it is given says which kind comes back; without one, that of ``fit``.
    """

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        kind = next((found for value in given if (found := kind_of(value))), None)
        result = method(
            self,
            *(to_pandas(value) for value in args),
            **{name: to_pandas(value) for name, value in kwargs.items()},
        )
        if result is self:
            self.kind_ = kind
            return result
        return back(result, kind or vars(self).get("kind_"))

    return call  # type: ignore[return-value]


def kind_of(value: Any) -> nw.Implementation | None:
    """Which library's frame this is; None for all that is none."""
    if isinstance(value, pd.DataFrame):
        return nw.Implementation.PANDAS
    frame = nw.from_native(value, pass_through=True)
    return frame.implementation if isinstance(frame, nw.DataFrame | nw.LazyFrame) else None


def to_pandas(value: Any) -> Any:
    """A frame of another library as pandas; anything else as it is."""
    if isinstance(value, pd.DataFrame) or kind_of(value) is None:
        return value
    frame = nw.from_native(value)
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return eager.to_pandas()


def back(value: Any, kind: nw.Implementation | None) -> Any:
    """A pandas frame as the kind that came in; anything else as it is."""
    if not isinstance(value, pd.DataFrame) or kind not in BACK:
        return value
    return BACK[kind](nw.from_native(value))
