"""Other libraries' suites pass wrong types on purpose and count results; ours are off for them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

HERE = Path(__file__).parent
OUTCOMES = ("passed", "xfailed", "skipped", "failed", "error")


@pytest.fixture(autouse=True)
def _errors_as_users_see_them() -> Iterator[None]:
    """Types are not checked at run time, as outside of our tests."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One row a suite: how many checks passed, and what became of the others, and why."""
    counts, reasons = tally(terminalreporter.stats)
    if not counts:
        return
    terminalreporter.section("conformance")
    terminalreporter.write_line(f"{'suite':<34}" + "".join(f"{name:>9}" for name in OUTCOMES))
    for suite, count in sorted(counts.items()):
        numbers = "".join(f"{count[outcome]:>9}" for outcome in OUTCOMES)
        terminalreporter.write_line(f"{suite:<34}{numbers}")
    for (suite, outcome, reason), number in sorted(reasons.items()):
        terminalreporter.write_line(f"{suite}: {number} {outcome}: {reason}")


def tally(
    stats: Mapping[str, list[Any]],
) -> tuple[dict[str, Counter[str]], Counter[tuple[str, str, str]]]:
    """Count the outcomes of each suite, and list the reasons of checks that did not pass."""
    counts: dict[str, Counter[str]] = {}
    reasons: Counter[tuple[str, str, str]] = Counter()
    for outcome in OUTCOMES:
        for report in stats.get(outcome, []):
            path, _, name = report.nodeid.partition("::")
            if Path(path).parent.name != HERE.name:
                continue
            properties = dict(getattr(report, "user_properties", []))
            suite = _suite(path, name, "checks" in properties)
            counts.setdefault(suite, Counter()).update(properties.get("checks", {outcome: 1}))
            why = [_reason(report)] if outcome in ("xfailed", "skipped") else []
            for reason in properties.get("reasons", why):
                reasons[suite, "skipped" if "reasons" in properties else outcome, reason] += 1
    return counts, reasons


def _suite(path: str, name: str, whole: bool) -> str:
    """A library's own suite, by the estimator it checks where it has several; or ours for it."""
    library = Path(path).stem.removeprefix("test_").replace("sklearn", "scikit-learn")
    estimator = re.search(r"\[(\w+)\(", name)
    if estimator is not None:
        return f"{library}: {estimator[1]}"
    return library if whole else f"{library}: our tests"


def _reason(report: Any) -> str:
    xfail = getattr(report, "wasxfail", "")
    text = xfail or report.longrepr[2]
    return str(text).removeprefix("reason: ").removeprefix("Skipped: ")
