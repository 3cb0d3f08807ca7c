"""A folder of recordings is known again by its marker, wherever it is."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.marker import MARKER, read_marker, write_marker
from ccf_assets.recordings.scan.folder import scan_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    made.mkdir()
    return made


def test_a_new_folder_has_none_until_one_is_written(folder: Path) -> None:
    assert read_marker(folder) is None
    marker = write_marker(folder)
    assert uuid.UUID(marker.folder_id)
    assert (marker.host, marker.path) == (socket.gethostname(), str(folder))
    assert read_marker(folder) == write_marker(folder) == marker


def test_a_renamed_folder_keeps_its_identity_and_its_file(folder: Path) -> None:
    before = write_marker(folder)
    after = read_marker(folder.rename(folder.with_name("renamed")))
    assert after is not None
    assert (after.folder_id, after.file_number) == (before.folder_id, before.file_number)
    assert after.path != before.path


def test_a_copy_has_the_identity_in_another_file(folder: Path) -> None:
    before = write_marker(folder)
    after = read_marker(Path(shutil.copytree(folder, folder.with_name("copy"))))
    assert after is not None
    assert after.folder_id == before.folder_id
    assert after.file_number != before.file_number


def test_a_read_only_folder_is_known_by_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write anywhere
    marker = write_marker(folder)
    assert not (folder / MARKER).exists()
    assert not marker.is_written
    assert marker == read_marker(folder)
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")
    other = read_marker(folder)
    assert other is not None
    assert other.folder_id != marker.folder_id


def test_processes_that_write_it_at_once_agree(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({marker.folder_id for marker in pool.map(write_marker, [folder] * 32)}) == 1


@pytest.mark.parametrize("text", ["", "# only words\n", "not a uuid\n", "\0" * 10_000])
def test_a_marker_without_a_uuid_is_refused_in_a_sentence(folder: Path, text: str) -> None:
    (folder / MARKER).write_text(text)
    with pytest.raises(CcfError, match=r"\.ccf_folder does not hold the UUID .* Restore it, or delete it"):
        read_marker(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CcfError, match="gone does not exist"):
        read_marker(tmp_path / "gone")


def test_the_marker_is_no_file_of_sites(folder: Path) -> None:
    write_marker(folder)
    scan = scan_folder(folder, 1e12, 0)
    assert [len(part) for part in (scan.files, scan.ignored, scan.waiting, scan.unreadable)] == [0] * 4


def test_a_folder_that_refuses_the_file_is_known_by_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)  # as a network share may, whatever access() says
    marker = write_marker(folder)
    assert not marker.is_written
    assert marker == write_marker(folder)
    assert list(folder.iterdir()) == []


def test_a_link_that_leads_nowhere_is_no_marker(folder: Path) -> None:
    (folder / MARKER).symlink_to(folder / "gone")
    assert not write_marker(folder).is_written


def test_where_links_are_not_possible_the_file_is_renamed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: Path, _target: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert write_marker(folder).is_written
    assert [path.name for path in folder.iterdir()] == [MARKER]
