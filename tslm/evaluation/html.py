"""Parts of HTML pages: the style, pictures as SVG, and tables."""

from collections.abc import Sequence
from html import escape
from io import StringIO

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

NO_METADATA = ("Creator", "Date", "Format", "Type")  # left out of pictures
STYLE = """\
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
pre { background: #f6f8fa; padding: 1rem; overflow-x: auto; font-size: .8rem; }"""


def svg(figure: Figure) -> str:
    """Return a figure as an SVG element; equal figures give equal text."""
    buffer = StringIO()
    with plt.rc_context({"svg.hashsalt": "tslm"}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(NO_METADATA))
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def table(rows: Sequence[Sequence[object]], marked: str) -> str:
    """Return a table; the first row is the head.

    Args:
        rows: cells, as text or numbers.
        marked: text of the first cell of the row to highlight.
    """
    head, *body = rows
    cells = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    lines = "\n".join(_row(row, marked) for row in body)
    return f'<div class="wide"><table><tr>{cells}</tr>\n{lines}\n</table></div>'


def _row(cells: Sequence[object], marked: str) -> str:
    mark = ' class="itself"' if cells[0] == marked else ""
    return f"<tr{mark}>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
