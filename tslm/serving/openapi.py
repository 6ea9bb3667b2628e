"""Description of ``POST /forecast`` for the page ``/docs``."""

from typing import Any

from tslm.serving.requests import ARROW, CSV, JSON, PARQUET

DESCRIPTION = """Forecasts of saved models, as `predict` makes them.

A table is a list of objects, one a row, or an object of lists, one a column."""

_TABLE = {
    "anyOf": [
        {"type": "array", "items": {"type": "object"}},
        {"type": "object", "additionalProperties": {"type": "array"}},
    ]
}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_SETTINGS: dict[str, dict[str, Any]] = {
    "series": {
        **_TABLE,
        "description": "rows of series: id, time, value; null for those of fit",
    },
    "model": {"type": "string", "description": "name of the model, if there are several"},
    "h": {
        "type": "integer",
        "minimum": 1,
        "description": "steps; those of fit if left out",
    },
    "level": {**_NUMBERS, "description": "interval levels in percent, such as [80, 95]"},
    "quantiles": {
        **_NUMBERS,
        "description": "levels in (0, 1), in place of level",
    },
    "num_samples": {"type": "integer", "minimum": 1, "description": "number of sample paths"},
    "ids": {"type": "array", "items": {}, "description": "ids of the series to forecast"},
    "futr": {**_TABLE, "description": "covariates of the steps to forecast"},
    "static": {**_TABLE, "description": "one row per series: static covariates and texts"},
    "events": {**_TABLE, "description": "statements: text, and where known id, start, end"},
}
_EXAMPLE = {
    "series": {
        "unique_id": ["a", "a", "a", "a"],
        "ds": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"],
        "y": [3, 4, 3, 5],
    },
    "h": 2,
    "level": [80],
}
_ERRORS = {
    401: "the token is missing or wrong",
    404: "there is no such model",
    406: "no kind of answer in Accept is known",
    408: "the body did not arrive in time",
    413: "the body, or the number of values, is too large",
    415: "the content type is unknown",
    422: "the request is wrong; the message says what to change",
    429: "too many requests wait; Retry-After says when to try again",
    504: "the forecast was not ready in time",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_OBJECT = {"type": "object", "properties": _SETTINGS, "required": ["series"]}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}}
_ANSWER = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "forecast": {"type": "object", "additionalProperties": {"type": "array"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
}

FORECAST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "settings and tables in JSON; or the table of series, with the settings in "
        "the address: /forecast?h=12&level=80,95",
        "content": {
            JSON: {"schema": _OBJECT, "example": _EXAMPLE},
            **dict.fromkeys((CSV, ARROW, PARQUET), _BINARY),
        },
    },
    "responses": {
        "200": {
            "description": "the forecast, in the kind that Accept names",
            "content": {
                JSON: {"schema": _ANSWER},
                **dict.fromkeys((CSV, ARROW, PARQUET), _BINARY),
            },
        },
        **{
            str(status): {"description": text, "content": {JSON: {"schema": _ERROR}}}
            for status, text in _ERRORS.items()
        },
    },
}
