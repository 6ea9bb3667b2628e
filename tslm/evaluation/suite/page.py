"""HTML page of a group: the table, the skill by task, and ranks with the critical difference."""

from html import escape
from string import Template

import pandas as pd

from tslm.evaluation import html
from tslm.evaluation.suite.markdown import NOTE, Table, reference_cells, summary_cells, task_cells
from tslm.plots.suite import plot_ranks, plot_skill

OWN = "default"  # the model to highlight
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
$sections
</body>
</html>
""")


def page(table: Table) -> str:
    """Return the page with its pictures inside.

    Args:
        table: the value that ``tabulate`` returned.
    """
    sections = [html.table(summary_cells(table), marked=OWN)]
    ranks = table["ranks"]
    if ranks["mean_ranks"]:
        picture = plot_ranks(ranks["mean_ranks"], ranks["critical_difference"], OWN)
        sections += ["<h2>Mean ranks</h2>", html.svg(picture)]
    for metric in table["metrics"] if table["summary"] else []:
        relative = _relative(table, metric)
        sections += [
            f"<h2>{metric.upper()} by task</h2>",
            html.svg(plot_skill(relative, OWN, metric.upper())),
            html.table(task_cells(table, metric), marked=OWN),
        ]
    sections += ["<h2>Reference and published values</h2>"]
    sections += [html.table(reference_cells(table), marked="")]
    if table["failed"]:
        rows = [[row["task"], row["model"], row["reason"]] for row in table["failed"]]
        sections += ["<h2>Failed</h2>", html.table([["task", "model", "reason"], *rows], "")]
    return PAGE.substitute(
        title=escape(table["title"]), note=NOTE, style=html.STYLE, sections="\n".join(sections)
    )


def _relative(table: Table, metric: str) -> pd.DataFrame:
    """Return relative errors: a row per model, the best first, and a column per task."""
    rows = pd.DataFrame(table["tasks"])
    wide = rows.pivot(index="model", columns="task", values=f"relative_{metric}")
    tasks = [row["task"] for row in table["reference"] if row["task"] in wide.columns]
    return wide.loc[[row["model"] for row in table["summary"]], tasks]
