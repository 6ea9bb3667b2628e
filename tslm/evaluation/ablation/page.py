"""HTML page of an ablation, with its tables and pictures in one file."""

from html import escape
from string import Template
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tslm.evaluation import html
from tslm.evaluation.ablation.arms import ITSELF
from tslm.evaluation.ablation.report import Ablation
from tslm.plots.palette import forecast_styles
from tslm.plots.results import COLOURS, plot_ablation

PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
<h1>$title</h1>
<p class="note">$note</p>
<ul class="answers">
$answers
</ul>
$sections
</body>
</html>
""")


def page(ablation: Ablation) -> str:
    """Return the report as an HTML page with SVG pictures inside."""
    title = f"Does the language model help {ablation.model} on {ablation.data}?"
    answers = [
        f'<li style="border-color: {COLOURS[answer.verdict]}">{escape(answer.sentence)}</li>'
        for answer in ablation.answers
    ]
    answers += [
        f'<li style="border-color: {COLOURS[""]}">{escape(gap)}</li>' for gap in ablation.gaps
    ]
    sections = []
    for horizon, table in ablation.tables():
        rows = ablation.frame[ablation.frame.horizon == horizon]
        sections += [
            f"<h2>Horizon {horizon}</h2>",
            html.svg(plot_ablation(rows)),
            _table(table),
        ]
    if ablation.frame.horizon.nunique() > 1:
        sections += ["<h2>Error by horizon</h2>", html.svg(by_horizon(ablation.frame))]
    if len(ablation.probes):
        sections += [
            "<h2>Disturbed contexts: percent by which the error rises</h2>",
            _table(ablation.probe_table()),
        ]
    return PAGE.substitute(
        style=html.STYLE,
        title=escape(title),
        note=escape(ablation.note),
        answers="\n".join(answers),
        sections="\n".join(sections),
    )


def by_horizon(frame: pd.DataFrame) -> Figure:
    """Draw the mean squared error of every arm by horizon."""
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    arms = sorted(frame.arm.unique(), key=lambda arm: arm != ITSELF)
    for arm, (colour, style, _) in zip(arms, forecast_styles(), strict=False):
        rows = frame[frame.arm == arm]
        line: dict[str, Any] = {"lw": 2.4, "zorder": 3} if arm == ITSELF else {"lw": 1.1}
        look: dict[str, Any] = {"color": colour, "ls": style, "marker": "o", "ms": 3}
        axes.plot(rows.horizon, rows.mse, label=str(arm), **look, **line)
    axes.set_xlabel("horizon")
    axes.set_ylabel("MSE")
    axes.set_xticks(sorted(frame.horizon.unique()))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    plt.close(figure)
    return figure


def _table(table: pd.DataFrame) -> str:
    rows = [list(table.columns), *table.itertuples(index=False, name=None)]
    return html.table(rows, marked=ITSELF)
