"""Time-series forecasting on frozen language models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tslm.core.errors import BackboneError as BackboneError
    from tslm.core.errors import ConfigError as ConfigError
    from tslm.core.errors import DataError as DataError
    from tslm.core.errors import NotFittedError as NotFittedError
    from tslm.core.errors import TslmError as TslmError
    from tslm.core.spec import Spec as Spec
    from tslm.data.wide import to_long as to_long
    from tslm.estimators.baseline_forecaster import BaselineForecaster as BaselineForecaster
    from tslm.estimators.lipcot.classifier import TSLMClassifier as TSLMClassifier
    from tslm.estimators.lipcot.pretrainer import LiPCoTPretrainer as LiPCoTPretrainer
    from tslm.estimators.lipcot.tokenizer import LiPCoTTokenizer as LiPCoTTokenizer
    from tslm.estimators.tslm_forecaster import TSLMForecaster as TSLMForecaster
    from tslm.estimators.window_regressor import TSLMWindowRegressor as TSLMWindowRegressor
    from tslm.evaluation.metrics.backtest import evaluate as evaluate

__version__ = "0.1.0"

_HOME = {
    "TSLMForecaster": "estimators.tslm_forecaster",
    "BaselineForecaster": "estimators.baseline_forecaster",
    "LiPCoTTokenizer": "estimators.lipcot.tokenizer",
    "LiPCoTPretrainer": "estimators.lipcot.pretrainer",
    "TSLMClassifier": "estimators.lipcot.classifier",
    "TSLMWindowRegressor": "estimators.window_regressor",
    "Spec": "core.spec",
    "evaluate": "evaluation.metrics.backtest",
    "to_long": "data.wide",
    "TslmError": "core.errors",
    "ConfigError": "core.errors",
    "DataError": "core.errors",
    "BackboneError": "core.errors",
    "NotFittedError": "core.errors",
}
__all__ = ["__version__", *_HOME]


if not TYPE_CHECKING:  # or a type checker would believe in any name

    def __getattr__(name: str) -> Any:
        """Import what is asked for when it is asked for: ``import tslm`` itself loads no torch."""
        if name not in _HOME:
            raise AttributeError(f"module 'tslm' has no attribute {name!r}")
        return getattr(import_module(f"tslm.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
