"""Report on a frame: counts of gaps, missing values and duplicates, and the warnings about them."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.errors import DataError, warn
from tslm.core.messages import counted, naming
from tslm.data.rows import Rows


@dataclass(frozen=True)
class Report:
    """Counts of what was found in a frame.

    Attributes:
        series: number of series.
        rows: rows on the regular grid.
        gaps: rows of the grid that the frame lacks.
        missing: rows of the frame without a value.
        duplicates: rows dropped, or averaged with others of the same series and time.
        worst: rows without a value by id, for the five series that have most of them.
        covariates: rows without a value by covariate; only covariates that have such rows.
    """

    series: int
    rows: int
    gaps: int
    missing: int
    duplicates: int
    worst: dict[Hashable, int]
    covariates: dict[str, int] = field(default_factory=dict)

    @classmethod
    def count(cls, duplicates: int, rows: Rows, grid: Rows) -> "Report":
        """Count gaps and missing values.

        Args:
            duplicates: rows dropped or averaged away.
            rows: rows of the frame, one per series and time.
            grid: the same on the regular grid.
        """
        absent = np.isnan(grid.y)
        by_series = np.bincount(grid.codes[absent], minlength=len(grid.ids))
        top = [int(i) for i in np.argsort(-by_series, kind="stable")[:5] if by_series[i]]
        return cls(
            series=len(grid.ids),
            rows=len(grid.y),
            gaps=len(grid.y) - len(rows.y),
            missing=int(np.isnan(rows.y).sum()),
            duplicates=duplicates,
            worst=dict(zip(grid.ids[top].tolist(), by_series[top].tolist(), strict=True)),
        )

    @classmethod
    def joined(cls, reports: Sequence["Report"]) -> "Report":
        """Return the counts of several frames as those of one.

        Args:
            reports: reports of frames of different series, with ids of one type; at least one.
        """
        counts = {
            name: sum(getattr(report, name) for report in reports)
            for name in ("series", "rows", "gaps", "missing", "duplicates")
        }
        worst: list[Any] = [pair for report in reports for pair in report.worst.items()]
        covariates = Counter[str]()
        for report in reports:
            covariates.update(report.covariates)
        top = dict(sorted(worst, key=lambda pair: (-pair[1], pair[0]))[:5])
        return cls(**counts, worst=top, covariates=dict(covariates))

    @property
    def lacking(self) -> str:
        """Return the counts of gaps and missing values in words; an empty text without any."""
        rows = f"{counted(self.gaps, 'row')} between the first and the last of their series"
        values = f"a value in {counted(self.missing, 'row')}"
        return " and ".join([*([rows] if self.gaps else []), *([values] if self.missing else [])])

    def refuse_missing(self, grid: Rows) -> None:
        """Refuse gaps and missing values.

        Args:
            grid: rows on the regular grid.

        Raises:
            DataError: if there are some; names series and times.
        """
        if self.lacking:
            raise DataError(
                f"The frame lacks {self.lacking}: series {grid.name_rows(np.isnan(grid.y))}. "
                "Complete it, or pass missing='mask', 'interpolate' or 'ffill'."
            )

    def warn(self, missing: str) -> None:
        """Warn of missing covariates, and with ``missing="mask"`` of gaps and missing values."""
        if self.covariates:
            counts = ", ".join(
                f"{name!r} in {counted(n, 'row')}" for name, n in self.covariates.items()
            )
            warn(f"Missing covariate values are treated as the average of their column: {counts}.")
        if self.lacking and missing == "mask":
            warn(
                f"The frame lacks {self.lacking}: series {naming(self.worst)}"
                f"{'' if len(self.worst) < 5 else ' and perhaps more'}. These are left out of "
                "training and errors. To fill them, say missing=interpolate or missing=ffill."
            )

    def with_covariates(self, table: pd.DataFrame, names: Sequence[str]) -> "Report":
        """Return the report with counts of missing covariate values."""
        counts = table[list(names)].isna().sum()
        missing = {str(name): int(count) for name, count in counts.items() if count}
        return replace(self, covariates=missing)

    def state(self) -> dict[str, Any]:
        """Return plain values for ``from_state``; ``worst`` as pairs, since JSON keys are text."""
        return {**asdict(self), "worst": [[id_, rows] for id_, rows in self.worst.items()]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Report":
        """Make a report from its ``state``.

        Raises:
            DataError: if a count is not a whole number.
        """
        worst, covariates = dict(state["worst"]), dict(state["covariates"])
        report = cls(**{**state, "worst": worst, "covariates": covariates})
        counts = (report.series, report.rows, report.gaps, report.missing, report.duplicates)
        if not all(type(n) is int for n in (*counts, *worst.values(), *covariates.values())):
            raise DataError("The saved report must hold whole numbers. Save the model again.")
        return report
