"""HTML of a forecaster in a notebook."""

import pytest

from tests.frames import weekly
from tslm import BaselineForecaster, TSLMForecaster


@pytest.mark.filterwarnings("ignore:On .* validation windows")
def test_a_fitted_model_counts_frozen_and_trained_weights() -> None:
    model = TSLMForecaster(
        base=None, h=7, backbone="tiny", max_steps=1, verbose=0, accelerator="cpu"
    )
    before = model._repr_html_()
    assert "not fitted" in before
    assert "frozen" not in before.partition("</style>")[2]
    text = model.fit(weekly())._repr_html_()
    weights = list(model.model_.parameters())
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    frozen = sum(weight.numel() for weight in weights if not weight.requires_grad)
    assert f"{frozen:,} weights frozen, {trained:,} trained" in text
    assert text.index("max_steps") < text.index("<details>") < text.index("learning_rate")


def test_settings_are_escaped_and_rules_have_no_weights() -> None:
    model = BaselineForecaster("seasonal_naive", h=3, alias="<b>")
    assert "<code>&#x27;&lt;b&gt;&#x27;</code>" in model._repr_html_()
    assert "it has no weights to train" in model.fit(weekly())._repr_html_()
    assert "text/html" in model._repr_mimebundle_()
