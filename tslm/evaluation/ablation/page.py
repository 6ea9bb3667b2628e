"""HTML page of an ablation, with its tables and pictures in one file."""

from collections.abc import Sequence
from html import escape
from io import StringIO
from string import Template

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tslm.evaluation.ablation.arms import ITSELF
from tslm.evaluation.ablation.report import Ablation
from tslm.plots.results import COLOURS, plot_ablation

NO_METADATA = ("Creator", "Date", "Format", "Type")  # left out of pictures
PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 68rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.note { color: #57606a; }
ul.answers { list-style: none; padding: 0; }
ul.answers li { border-left: 4px solid; padding: .3rem .8rem; margin: .5rem 0;
                background: #f6f8fa; }
table { border-collapse: collapse; font-size: .8rem; }
.wide { overflow-x: auto; }
th, td { padding: .3rem .45rem; border-bottom: 1px solid #d1d9e0; text-align: right;
         white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child, td:nth-child(2) { text-align: left; }
tr.itself { font-weight: 600; background: #ddf4ff; }
svg { max-width: 100%; height: auto; }
details { margin-top: 2rem; }
pre { background: #f6f8fa; padding: 1rem; overflow-x: auto; font-size: .8rem; }
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
            _svg(plot_ablation(rows)),
            _table(table),
        ]
    if ablation.frame.horizon.nunique() > 1:
        sections += ["<h2>Error by horizon</h2>", _svg(by_horizon(ablation.frame))]
    if len(ablation.probes):
        sections += [
            "<h2>Disturbed contexts: percent by which the error rises</h2>",
            _table(ablation.probe_table()),
        ]
    return PAGE.substitute(
        title=escape(title),
        note=escape(ablation.note),
        answers="\n".join(answers),
        sections="\n".join(sections),
    )


def by_horizon(frame: pd.DataFrame) -> Figure:
    """Draw the mean squared error of every arm by horizon."""
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    for arm, rows in frame.groupby("arm", sort=False):
        own = arm == ITSELF
        style = {"color": COLOURS[""], "lw": 2.4, "zorder": 3} if own else {"lw": 1.1}
        axes.plot(rows.horizon, rows.mse, "o-", ms=3, label=str(arm), **style)
    axes.set_xlabel("horizon")
    axes.set_ylabel("MSE")
    axes.set_xticks(sorted(frame.horizon.unique()))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    plt.close(figure)
    return figure


def _svg(figure: Figure) -> str:
    buffer = StringIO()
    with plt.rc_context({"svg.hashsalt": "tslm"}):  # makes the file reproducible
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(NO_METADATA))
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(column))}</th>" for column in table.columns)
    body = "\n".join(_row(row) for row in table.itertuples(index=False))
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}\n</table></div>'


def _row(cells: Sequence[str]) -> str:
    mark = ' class="itself"' if cells[0] == ITSELF else ""
    return f"<tr{mark}>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
