"""Other libraries' suites pass wrong types on purpose and count results; ours are off for them."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _errors_as_users_see_them() -> Iterator[None]:
    """Types are not checked at run time, as outside of our tests."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line a suite: how many checks passed, and what became of the others."""
    outcomes = ("passed", "xfailed", "skipped", "failed", "error")
    counts: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        for report in terminalreporter.stats.get(outcome, []):
            path, _, name = report.nodeid.partition("::")
            if Path(path).parent.name == HERE.name:
                count = dict(report.user_properties).get("checks", 1)
                counts.setdefault(_suite(path, name), Counter())[outcome] += count
    if counts:
        terminalreporter.section("conformance")
    for suite, count in sorted(counts.items()):
        shown = ", ".join(f"{count[outcome]} {outcome}" for outcome in outcomes if count[outcome])
        terminalreporter.write_line(f"{suite:<60} {shown}")


def _suite(path: str, name: str) -> str:
    """The file, and the estimator that scikit-learn checks."""
    estimator = re.search(r"\[(\w+)\(", name)
    file = Path(path).stem.removeprefix("test_")
    return file if estimator is None else f"{file}: {estimator[1]}"
