"""Page at ``/`` of the server: one HTML document, and headers that forbid outside parts."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("table.js", "chart.js", "page.js")  # in this order


class Page(NamedTuple):
    """HTML text, and the HTTP headers to send with it."""

    html: str
    headers: dict[str, str]


@cache
def page() -> Page:
    """Return the page, with its style and scripts written into it.

    The policy in the headers allows only this style and these scripts, by their digests, and
    requests to the server itself. It also forbids scripts to write HTML, so that no id and no
    message can become markup.
    """
    style = (ASSETS / "page.css").read_text()
    script = '"use strict";\n' + "\n".join((ASSETS / name).read_text() for name in SCRIPTS)
    html = (ASSETS / "page.html").read_text()
    html = html.replace("/* page.css */", style).replace("/* page.js */", script)
    policy = (
        "default-src 'none'",
        f"script-src '{digest(script)}'",
        f"style-src '{digest(style)}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    headers = {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return Page(html, headers)


def digest(text: str) -> str:
    """Return the digest of a style or a script, as a policy names it."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
