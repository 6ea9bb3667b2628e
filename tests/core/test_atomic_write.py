"""Files appear whole or not at all, and what a killed process leaves is swept."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from tslm import ConfigError
from tslm.core.atomic_write import beside, swap, sweep
from tslm.core.files import check_writable, write_json, write_text
from tslm.interfaces.cli import main as cli
from tslm.interfaces.cli.verbs import OTHERS


def test_a_failure_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(TypeError):
        write_json(object(), tmp_path / "a.json")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match=r"a.md cannot be written: .*No space.*Make room") as e:
        write_text("new", tmp_path / "a.md")
    assert "\n" not in str(e.value)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.md", "old")]


def test_text_is_written_as_utf8_in_every_locale(tmp_path: Path) -> None:
    write_text("für Zürich", tmp_path / "a.md")
    assert (tmp_path / "a.md").read_bytes() == "für Zürich".encode()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("old")
    (tmp_path / "latest.md").symlink_to("a.md")
    write_text("new", tmp_path / "latest.md")
    assert (tmp_path / "latest.md").readlink() == Path("a.md")
    assert (tmp_path / "a.md").read_text() == "new"


@pytest.mark.parametrize("days", [-3, 3])
def test_an_empty_draft_is_removed_after_the_clock_has_jumped(tmp_path: Path, days: int) -> None:
    draft = tmp_path / ".a.md-abcd1234"  # of a process that was killed before it locked it
    draft.mkdir()
    sweep(tmp_path / "a.md")
    assert draft.exists()
    then = time.time() + days * 86_400
    os.utime(draft, (then, then))
    sweep(tmp_path / "a.md")
    assert not draft.exists()


def test_what_a_killed_check_of_a_folder_left_is_removed(tmp_path: Path) -> None:
    for name, minutes, files in (("old", 2, 0), ("new", 0, 0), ("used", 2, 1)):
        (made := tmp_path / f".tslm-{name}").mkdir()
        if files:
            (made / "file").write_text("")
        then = time.time() - 60 * minutes
        os.utime(made, (then, then))
    check_writable(tmp_path / "a.csv")
    assert {path.name for path in tmp_path.iterdir()} == {".tslm-new", ".tslm-used"}


def test_a_draft_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    with beside(path) as draft:
        draft.write_text("whole")
        sweep(path)
        assert draft.read_text() == "whole"
        draft.replace(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.md"]


def test_many_threads_may_write_one_file(tmp_path: Path) -> None:
    """Each sweeps the drafts of killed processes, and spares those of the others."""
    with ThreadPoolExecutor(8) as pool:
        for turn in range(20):
            path = tmp_path / f"{turn}.md"
            for done in [pool.submit(write_text, f"{i}" * 1000, path) for i in range(8)]:
                done.result()
            assert path.read_text() in {f"{i}" * 1000 for i in range(8)}
    assert len(list(tmp_path.iterdir())) == 20


def test_a_swap_that_fails_puts_the_old_folder_back(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "old").touch()
    with pytest.raises(ConfigError, match="cannot be written"), beside(tmp_path / "m") as draft:
        swap(draft, tmp_path / "m")  # nobody made the draft
    assert [path.name for path in tmp_path.rglob("*")] == ["m", "old"]


def test_a_question_whether_a_file_can_be_written_makes_no_folder(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deep" / "f.csv")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        check_writable(tmp_path / "file" / "f.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_command_that_is_terminated_removes_its_drafts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object) -> None:
        with beside(tmp_path / "f.csv") as draft:
            draft.touch()
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setitem(OTHERS, "work", SimpleNamespace(load=lambda: work))
    with pytest.raises(SystemExit, match="143"):
        cli.main(["work"])
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before
