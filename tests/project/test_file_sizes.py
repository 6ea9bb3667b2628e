"""Files of the package hold one idea, so they are short."""

from pathlib import Path

import tslm

FOLDER = Path(tslm.__file__).parent
LONGEST = 350  # lines


def long_files() -> set[str]:
    lines = {path: len(path.read_text().splitlines()) for path in FOLDER.rglob("*.py")}
    return {path.relative_to(FOLDER).as_posix() for path, n in lines.items() if n > LONGEST}


def test_no_file_is_longer_than_350_lines() -> None:
    assert long_files() == set()
