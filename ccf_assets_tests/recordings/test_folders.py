"""Several folders of recordings on one database: each keeps its own files apart from the others'."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
import sqlalchemy as sa

from ccf_assets.cli import recordings
from ccf_assets.db import schema
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.marker import MARKER
from ccf_assets.recordings.folders import Folder, FolderGoneError, folder_as_known, folder_of, take_over
from ccf_assets.recordings.scan.folder import site_file

SITES = "recording_id,site_id,x,y,z\na,1,8900,1300,8200\n"
SETTLED = 1e12
"""A time long after any file was written."""


def make(path: Path, *names: str, text: str = SITES) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (1e9, 1e9))
    return path


def remember(engine: sa.Engine, path: Path, *keys: str) -> None:
    """What a program that kept no folders stored of files it had read."""
    with engine.begin() as connection:
        for key in keys:
            file = site_file(path, key)
            assert file is not None
            row = {"source": key, "digest": file.digest, "sites": 1, "refused": False, "looked_at_with": ""}
            connection.execute(sa.insert(schema.recording_file).values(row))


def keys(folder: Folder) -> list[str]:
    return sorted(folder.scan(SETTLED, 0).files)


def test_the_first_folder_has_no_name_and_the_second_its_own(database: sa.Engine, tmp_path: Path) -> None:
    a = folder_of(database, make(tmp_path / "rig_a", "probe00.csv"))
    b = folder_of(database, make(tmp_path / "rig_b", "probe00.csv", "day 2/p.csv"))
    assert (a.name, b.name) == ("", "rig_b")
    assert keys(a) == ["probe00.csv"]
    assert keys(b) == ["rig_b/day 2/p.csv", "rig_b/probe00.csv"]
    assert folder_of(database, tmp_path / "rig_a").others == {
        "rig_b": f"{tmp_path}/rig_b on {socket.gethostname()}"
    }
    assert folder_of(database, tmp_path / "rig_b").name == "rig_b"  # and again


def test_a_key_belongs_to_one_folder(database: sa.Engine, tmp_path: Path) -> None:
    folder_of(database, make(tmp_path / "rig_a"))
    b = folder_of(database, make(tmp_path / "rig_b"))
    a = folder_of(database, tmp_path / "rig_a")
    assert a.relative("rig_b/probe00.csv") is None
    assert a.relative("day 1/probe00.csv") == "day 1/probe00.csv"
    assert b.relative("rig_b/day 1/probe00.csv") == "day 1/probe00.csv"
    assert b.relative("probe00.csv") is None
    assert a.where("rig_b/probe00.csv").startswith(f"{tmp_path}/rig_b on ")


def test_folders_of_one_name_get_different_ones(database: sa.Engine, tmp_path: Path) -> None:
    names = [folder_of(database, make(tmp_path / str(n) / "recordings")).name for n in range(4)]
    assert names[0] == ""
    assert len(set(names)) == 4
    assert names[1] == "recordings"
    assert names[2] == f"recordings-{socket.gethostname()}"


def test_a_subfolder_with_the_name_of_another_folder_is_said_and_not_mixed_up(
    database: sa.Engine, tmp_path: Path
) -> None:
    folder_of(database, make(tmp_path / "rig_a", "rig_b/probe00.csv", "x.csv"))
    folder_of(database, make(tmp_path / "rig_b"))
    scan = folder_of(database, tmp_path / "rig_a").scan(SETTLED, 0)
    assert list(scan.files) == ["x.csv"]
    assert "rename the subfolder" in scan.unreadable["rig_b/probe00.csv"]


def test_a_renamed_folder_stays_the_same(database: sa.Engine, tmp_path: Path) -> None:
    folder_of(database, make(tmp_path / "first"))
    folder_of(database, make(tmp_path / "rig_b", "probe00.csv"))
    (tmp_path / "rig_b").rename(tmp_path / "elsewhere")
    assert keys(folder_of(database, tmp_path / "elsewhere")) == ["rig_b/probe00.csv"]


def test_a_folder_that_was_copied_and_its_original_deleted_has_moved(
    database: sa.Engine, tmp_path: Path
) -> None:
    folder_of(database, make(tmp_path / "first", "probe00.csv"))
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    shutil.rmtree(tmp_path / "first")
    assert folder_of(database, tmp_path / "second").name == ""


def test_a_copy_is_refused_until_its_marker_is_deleted(database: sa.Engine, tmp_path: Path) -> None:
    folder_of(database, make(tmp_path / "first", "probe00.csv"))
    copy = Path(shutil.copytree(tmp_path / "first", tmp_path / "copy"))
    with pytest.raises(
        CcfError, match=rf"{copy} is a copy of the folder of recordings {tmp_path}/first on .*delete"
    ):
        folder_of(database, copy)
    (copy / MARKER).unlink()
    assert folder_of(database, copy).name == "copy"
    assert folder_of(database, tmp_path / "first").name == ""


def test_a_copy_on_another_host_is_refused_and_a_shared_folder_is_not(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(database, make(tmp_path / "shared", "probe00.csv"))
    copy = Path(shutil.copytree(tmp_path / "shared", tmp_path / "copy"))
    here = socket.gethostname()
    monkeypatch.setattr(socket, "gethostname", lambda: "hostb")
    assert folder_of(database, tmp_path / "shared").name == ""
    with pytest.raises(CcfError, match=rf"on hostb has the marker of the folder .*shared on {here}"):
        folder_of(database, copy)
    assert take_over(database, copy).name == ""
    assert folder_of(database, copy).name == ""


def test_nothing_that_is_not_known_is_taken_over(database: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(CcfError, match="was not moved here"):
        take_over(database, make(tmp_path / "new"))


def test_to_ask_writes_nothing(database: sa.Engine, tmp_path: Path) -> None:
    folder = make(tmp_path / "rig_a")
    assert folder_as_known(database, folder) == Folder(folder, "", {})
    assert folder_as_known(database, tmp_path / "gone").name == ""
    assert not list(folder.iterdir())
    known = folder_of(database, folder)
    assert folder_as_known(database, folder) == known
    assert folder_as_known(database, make(tmp_path / "rig_b")).name == "rig_b"


def test_a_folder_whose_marker_was_deleted_is_known_by_its_place_and_content(
    database: sa.Engine, tmp_path: Path
) -> None:
    folder_of(database, make(tmp_path / "first"))
    path = make(tmp_path / "rig_b", "probe00.csv")
    folder_of(database, path)
    with database.begin() as connection:
        file = site_file(path, "probe00.csv")
        assert file is not None
        row = {"source": "rig_b/probe00.csv", "digest": file.digest, "sites": 1, "refused": False}
        connection.execute(sa.insert(schema.recording_file).values(row))
    (path / MARKER).unlink()
    assert folder_of(database, path).name == "rig_b"


def test_another_disk_in_the_same_place_is_another_folder(database: sa.Engine, tmp_path: Path) -> None:
    path = make(tmp_path / "disk", "probe00.csv")
    assert folder_of(database, path).name == ""
    remember(database, path, "probe00.csv")
    path.rename(tmp_path / "unplugged")
    make(path, "probe00.csv", text=SITES.replace("a,1", "b,1"))
    assert folder_of(database, path).name == "disk"


def test_a_read_only_folder_stays_the_same_when_a_container_has_another_host_name(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write anywhere
    path = make(tmp_path / "data", "probe00.csv")
    for host in ("c1", "c2", "c3"):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        assert folder_of(database, path).name == ""
        if host == "c1":
            remember(database, path, "probe00.csv")
    with pytest.raises(CcfError, match="cannot be written to"):
        take_over(database, path)


def test_the_empty_mount_point_of_a_known_folder_is_that_folder_without_its_disk(
    database: sa.Engine, tmp_path: Path
) -> None:
    folder_of(database, make(tmp_path / "first"))
    path = make(tmp_path / "disk", "probe00.csv")
    known = folder_of(database, path)
    path.rename(tmp_path / "unmounted")
    path.mkdir()
    with pytest.raises(FolderGoneError, match="mount its disk"):
        folder_of(database, path)
    assert folder_as_known(database, path) == known
    assert list(path.iterdir()) == []


# ---- a database that was made before folders were kept


def test_the_folder_of_before_keeps_its_keys(database: sa.Engine, tmp_path: Path) -> None:
    path = make(tmp_path / "rig_a", "probe00.csv", "probe01.csv")
    remember(database, path, "probe00.csv", "probe01.csv")
    (path / "probe00.csv").write_text(SITES.replace("8900", "8800"))  # one has changed since
    assert folder_of(database, path).name == ""


def test_another_folder_does_not_take_its_place(database: sa.Engine, tmp_path: Path) -> None:
    before = make(tmp_path / "rig_a", "probe00.csv")
    remember(database, before, "probe00.csv")
    other = make(tmp_path / "rig_b", "probe00.csv", text=SITES.replace("a,1", "b,1"))
    assert folder_of(database, other).name == "rig_b"
    assert folder_of(database, before).name == ""
    assert folder_of(database, other).name == "rig_b"


def test_the_examples_prove_nothing(database: sa.Engine, tmp_path: Path) -> None:
    before = make(tmp_path / "rig_a", "probe00.csv", "example_probe.csv")
    remember(database, before, "probe00.csv", "example_probe.csv")
    other = make(tmp_path / "rig_b", "example_probe.csv")
    assert folder_of(database, other).name == "rig_b"


def test_the_folder_of_the_same_home_needs_no_proof(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCF_HOME", str(tmp_path))
    monkeypatch.setenv("CCF_POSTGRES_URL", "")
    before = make(tmp_path / "recordings", "probe00.csv")
    remember(database, before, "probe00.csv")
    (before / "probe00.csv").write_text(SITES.replace("8900", "8800"))
    assert folder_of(database, before).name == ""


# ---- from the command line


def test_a_folder_that_was_moved_to_another_host_is_taken_over_when_its_user_says_so(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of(database, make(tmp_path / "old", "probe00.csv"))
    moved = Path(shutil.copytree(tmp_path / "old", tmp_path / "new"))
    monkeypatch.setattr(socket, "gethostname", lambda: "hostb")
    monkeypatch.setenv("CCF_RECORDINGS", str(moved))
    with pytest.raises(CcfError, match="say so once: ccf-assets recordings --moved"):
        folder_of(database, moved)
    recordings.list_recordings(moved=True)
    assert "probe00.csv\t0\t\tnot read yet" in capsys.readouterr().out
    assert folder_of(database, moved).name == ""
