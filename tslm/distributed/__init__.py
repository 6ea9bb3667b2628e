"""Fits and forecasts of more series than fit in memory, and over several workers."""

from tslm.distributed.backtest import backtest as backtest
from tslm.distributed.fit import fit as fit
from tslm.distributed.predict import predict as predict
