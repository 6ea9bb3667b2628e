"""Interchange with other libraries: polars and Arrow frames in, the same kind out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

import narwhals as nw
import pandas as pd
import pyarrow as pa

from tslm.core.fitted import fitted_attribute

Method = TypeVar("Method", bound=Callable[..., Any])
LABELS = (nw.Date, nw.Datetime, nw.Enum, nw.Categorical)  # column types restored in results
BACK: dict[nw.Implementation, Callable[[Any], Any]] = {
    nw.Implementation.POLARS: lambda frame: frame.to_polars(),
    nw.Implementation.PYARROW: lambda frame: frame.to_arrow(),
}


@dataclass(frozen=True)
class Kind:
    """Library and column types of a frame.

    Attributes:
        library: library of the frame.
        types: type of each column in that library.
    """

    library: nw.Implementation
    types: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> "Kind | None":
        """Return the kind of a frame; None if ``value`` is no frame."""
        if isinstance(value, pd.DataFrame | pd.Series):
            return cls(nw.Implementation.PANDAS)
        frame = nw.from_native(_as_table(value), pass_through=True)
        if not isinstance(frame, nw.DataFrame | nw.LazyFrame):
            return None
        return cls(frame.implementation, dict(frame.collect_schema()))

    def back(self, value: Any) -> Any:
        """Convert a pandas frame to this kind and its column types; leave anything else."""
        if not isinstance(value, pd.DataFrame) or self.library not in BACK:
            return value
        frame = nw.from_native(BACK[self.library](nw.from_native(value)))
        times = {kind for kind in self.types.values() if isinstance(kind, nw.Date | nw.Datetime)}
        known = self.types | ({"cutoff": times.pop()} if len(times) == 1 else {})
        labels = {name: kind for name, kind in known.items() if isinstance(kind, LABELS)}
        changed = [n for n, kind in frame.collect_schema().items() if labels.get(n, kind) != kind]
        return frame.with_columns(nw.col(name).cast(labels[name]) for name in changed).to_native()


def same_kind(method: Method) -> Method:
    """Let a method for pandas frames take and return frames of other libraries.

    Results have the kind of the first frame argument; without one, that of ``fit``.
    """

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        kind = next((found for value in given if (found := Kind.of(value))), None)
        result = method(
            self,
            *(to_pandas(value) for value in args),
            **{name: to_pandas(value) for name, value in kwargs.items()},
        )
        if result is self:
            self.kind_ = kind
            return result
        kind = kind or fitted_attribute(self, "kind_")
        return result if kind is None else kind.back(result)

    return call  # type: ignore[return-value]


def to_pandas(value: Any) -> Any:
    """Convert a frame of any library, or a Series, to pandas; leave anything else as it is."""
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return _series_to_frame(value)
    if Kind.of(value) is None:
        return value
    frame = nw.from_native(_as_table(value))
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return eager.to_pandas()


def _as_table(value: Any) -> Any:
    return pa.Table.from_batches([value]) if isinstance(value, pa.RecordBatch) else value


def _series_to_frame(series: pd.Series) -> pd.DataFrame:
    """Convert a Series to a frame; its index is the time."""
    frame = series.to_frame("y" if series.name is None else series.name)
    if series.index.nlevels == 1 and pd.api.types.is_integer_dtype(series.index.dtype):
        return frame.rename_axis(str(series.index.name or "ds")).reset_index()
    return frame
