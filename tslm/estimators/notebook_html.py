"""HTML view of a forecaster in notebooks: its settings, its frozen and trained weights."""

from html import escape
from typing import Any

from torch import nn

from tslm.estimators.weight_summary import summary_of

STYLE = """\
<style scoped>
.tslm {font-family: system-ui, sans-serif; font-size: 13px; border: 1px solid #8884;
       border-radius: 6px; padding: 10px 14px; max-width: 46em; line-height: 1.5}
.tslm table {border-collapse: collapse; margin: 6px 0 0}
.tslm td {padding: 1px 14px 1px 0; text-align: left; border: 0; background: none}
.tslm .bar {display: flex; height: 8px; border-radius: 4px; overflow: hidden; margin: 6px 0 2px}
.tslm .frozen {background: #5b8db8} .tslm .trained {background: #e07b39}
.tslm small {opacity: .7}
</style>"""


def html(
    name: str, params: dict[str, Any], defaults: dict[str, Any], model: nn.Module | None
) -> str:
    """Return one box with the changed settings and, after ``fit``, the weights.

    Args:
        name: name of the forecaster.
        params: its settings.
        defaults: default settings; unchanged ones are folded.
        model: the fitted model, None before ``fit``.
    """
    changed = {key: value for key, value in params.items() if value != defaults.get(key)}
    rest = {key: value for key, value in params.items() if key not in changed}
    parts = [
        STYLE,
        f"<b>{escape(name)}</b> <small>{'fitted' if model is not None else 'not fitted'}</small>",
        _table(changed) if changed else "<br><small>all settings are the defaults</small>",
        f"<details><summary><small>{len(rest)} defaults</small></summary>{_table(rest)}</details>",
    ]
    if model is not None:
        parts.append(_weights(model))
    return f'<div class="tslm">{"".join(parts)}</div>'


def _table(values: dict[str, Any]) -> str:
    rows = (
        f"<tr><td>{escape(key)}</td><td><code>{escape(repr(value))}</code></td></tr>"
        for key, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _weights(model: nn.Module) -> str:
    """Return the number of frozen and trained weights of each part, as a bar and a table."""
    counts = summary_of(model)
    trained, frozen = counts.trained.iloc[-1], counts.frozen.iloc[-1]
    if not frozen + trained:
        return "<small>it has no weights to train</small>"
    rows = "".join(
        f"<tr><td>{escape(part)}</td><td>{f:,} frozen</td><td>{t:,} trained</td></tr>"
        for part, t, f in counts.drop(index="all")[["trained", "frozen"]].itertuples()
    )
    return (
        f'<div class="bar"><div class="frozen" style="flex: {frozen}"></div>'
        f'<div class="trained" style="flex: {trained}; min-width: 3px"></div></div>'
        f"<small>{frozen:,} weights frozen, {trained:,} trained "
        f"({100 * trained / (frozen + trained):.2g} %)</small><table>{rows}</table>"
    )
