"""scikit-learn's own checks of an estimator, on the tiny backbone."""

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from tslm import TSLMClassifier, TSLMForecaster, TSLMWindowRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # each check asks for warnings itself where it wants some
]
FAST: dict[str, Any] = {"backbone": "tiny", "max_steps": 2, "accelerator": "cpu"}
NO_FRAME = "fits arrays, and a forecaster of long frames fits data frames with ids and times"
SHUFFLED = "asks arrays in another order or number, and rows of a long frame are no samples"
TEXT = "asks for a word of scikit-learn's own about arrays; ours says to give a data frame"
FORECASTER = {
    "check_fit_score_takes_y": NO_FRAME,
    "check_estimators_overwrite_params": NO_FRAME,
    "check_dont_overwrite_parameters": NO_FRAME,
    "check_estimators_fit_returns_self": NO_FRAME,
    "check_readonly_memmap_input": NO_FRAME,
    "check_n_features_in_after_fitting": NO_FRAME,
    "check_positive_only_tag_during_fit": NO_FRAME,
    "check_estimators_dtypes": NO_FRAME,
    "check_dtype_object": NO_FRAME,
    "check_array_api_input": NO_FRAME,
    "check_pipeline_consistency": NO_FRAME,
    "check_estimators_pickle": NO_FRAME,
    "check_f_contiguous_array_estimator": NO_FRAME,
    "check_dict_unchanged": NO_FRAME,
    "check_fit_idempotent": NO_FRAME,
    "check_fit_check_is_fitted": NO_FRAME,
    "check_n_features_in": NO_FRAME,
    "check_fit2d_predict1d": NO_FRAME,
    "check_methods_sample_order_invariance": SHUFFLED,
    "check_methods_subset_invariance": SHUFFLED,
    "check_complex_data": TEXT,
    "check_estimators_empty_data_messages": TEXT,
    "check_estimators_nan_inf": TEXT,
    "check_estimator_sparse_tag": TEXT,
    "check_estimator_sparse_array": TEXT,
    "check_estimator_sparse_matrix": TEXT,
    "check_fit2d_1sample": TEXT,
    "check_fit2d_1feature": TEXT,
}


def expected(estimator: BaseEstimator) -> dict[str, str]:
    return FORECASTER if isinstance(estimator, TSLMForecaster) else {}


@parametrize_with_checks(
    [
        TSLMWindowRegressor(**FAST),
        TSLMClassifier(backbone="tiny", order=1, n_codes=8),
        TSLMForecaster(base=None, **FAST, verbose=0),
    ],
    expected_failed_checks=expected,
    xfail_strict=True,
)
def test_scikit_learn_s_checks_pass(
    estimator: BaseEstimator, check: Callable[[BaseEstimator], None]
) -> None:
    check(estimator)


def test_every_check_that_is_expected_to_fail_says_why() -> None:
    assert all(len(reason) > 20 for reason in FORECASTER.values())
