"""Time-series forecasting on frozen language models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tslm.baselines import BaselineForecaster as BaselineForecaster
    from tslm.classifier import TSLMClassifier as TSLMClassifier
    from tslm.data.wide import to_long as to_long
    from tslm.errors import BackboneError as BackboneError
    from tslm.errors import ConfigError as ConfigError
    from tslm.errors import DataError as DataError
    from tslm.errors import NotFittedError as NotFittedError
    from tslm.errors import TslmError as TslmError
    from tslm.estimator import TSLMForecaster as TSLMForecaster
    from tslm.evaluation import evaluate as evaluate
    from tslm.pretraining import LiPCoTPretrainer as LiPCoTPretrainer
    from tslm.regressor import TSLMWindowRegressor as TSLMWindowRegressor
    from tslm.spec import Spec as Spec
    from tslm.tokenizer import LiPCoTTokenizer as LiPCoTTokenizer

__version__ = "0.1.0"

_HOME = {
    "TSLMForecaster": "estimator",
    "BaselineForecaster": "baselines",
    "LiPCoTTokenizer": "tokenizer",
    "LiPCoTPretrainer": "pretraining",
    "TSLMClassifier": "classifier",
    "TSLMWindowRegressor": "regressor",
    "Spec": "spec",
    "evaluate": "evaluation",
    "to_long": "data.wide",
    "TslmError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "BackboneError": "errors",
    "NotFittedError": "errors",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import tslm`` itself loads no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'tslm' has no attribute {name!r}")
    return getattr(import_module(f"tslm.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
