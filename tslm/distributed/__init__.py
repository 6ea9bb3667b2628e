"""Forecasts of more series than fit in memory: Parquet in, Parquet out, block after block."""

from tslm.distributed.predict import predict as predict
