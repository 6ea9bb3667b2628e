"""Folder of a study: full disks, and what killed processes leave."""

from pathlib import Path
from typing import Any

import pytest

from tslm import ConfigError

pytest.importorskip("optuna", reason="optuna is not installed")

from optuna.storages.journal import JournalFileBackend

from tslm.evaluation.study_folder import STUDY, StudyFolder

SPACE = {"learning_rate": [1e-3, 1e-2]}


def numbers(folder: StudyFolder) -> list[int]:
    return [trial.number for trial in folder.study.trials]


def test_an_entry_for_which_the_disk_has_no_room_is_one_message_and_leaves_the_study_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StudyFolder(tmp_path, "mine")
    with folder.working() as worker:
        assert folder.next_trial(worker, SPACE, 9, seed=0) is not None
        before = (tmp_path / STUDY).read_bytes()

        def half(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
            with Path(self._file_path).open("ab") as file:
                file.write(b'{"op_code": 4, "worker')
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as full:
            full.setattr(JournalFileBackend, "append_logs", half)
            with pytest.raises(ConfigError, match=r"cannot be written: No space.*Make room"):
                folder.next_trial(worker, SPACE, 9, seed=0)
        assert (tmp_path / STUDY).read_bytes() == before
        assert folder.next_trial(worker, SPACE, 9, seed=0) is not None
        assert numbers(StudyFolder(tmp_path, "mine")) == [0, 1]


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file/study cannot be written: Not a directory"):
        StudyFolder(tmp_path / "file" / "study", "mine")


def test_locks_of_killed_processes_are_removed_and_those_of_living_ones_stay(
    tmp_path: Path,
) -> None:
    folder = StudyFolder(tmp_path, "mine")
    (tmp_path / ".worker-dead.lock").touch()
    with folder.working() as worker:
        StudyFolder(tmp_path, "mine")
        assert [path.name for path in tmp_path.glob(".worker-*")] == [worker]
    assert list(tmp_path.glob(".worker-*")) == []
