"""Forecasts of more series than fit in memory: Parquet in, Parquet out, block after block."""

from tslm.distributed.backtest import backtest as backtest
from tslm.distributed.predict import predict as predict
