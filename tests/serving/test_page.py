"""The page of the server allows its own style and scripts, and nothing from elsewhere."""

import re
from base64 import b64encode
from hashlib import sha256

from tslm.serving.page import page


def test_the_policy_of_the_page_names_its_style_and_its_script_by_their_digests() -> None:
    html, headers = page()
    policy = headers["Content-Security-Policy"]
    for part in ("style", "script"):
        (inner,) = re.findall(rf"<{part}>(.*?)</{part}>", html, re.S)
        digest = b64encode(sha256(inner.encode()).digest()).decode()
        assert f"{part}-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_has_no_outside_part_and_no_inline_handler() -> None:
    html, _ = page()
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", html)
    assert not re.search(r"<[^>]+\s(on\w+|style)=", html)
    assert "innerHTML" not in html
