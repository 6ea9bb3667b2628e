"""Text format of the Monash archive (.tsf): one series a line, after lines that begin with @.

Godahewa et al., "Monash time series forecasting archive", NeurIPS 2021.
https://forecastingdata.org
"""

import numpy as np

from tslm.core.errors import DataError


def parse(content: bytes, title: str) -> dict[str, np.ndarray]:
    """Read the series of a file; a missing value, written ``?``, is NaN.

    Args:
        content: of the file, unpacked, in Latin-1.
        title: name of the file, for messages.

    Raises:
        DataError: if there is no line ``@data``, or a line is not a series.
    """
    lines = [line.strip() for line in content.decode("latin-1").splitlines()]
    if "@data" not in lines:
        raise DataError(f"{title} has no line @data, so it is not a file of the Monash archive.")
    series = {}
    for line in filter(None, lines[lines.index("@data") + 1 :]):
        name, *_, values = line.split(":")
        try:
            series[name] = np.array([float(v) if v != "?" else np.nan for v in values.split(",")])
        except ValueError as error:
            raise DataError(f"{title}: the values of series {name!r} are not numbers.") from error
    return series
