"""Dagster's home: one of ours, whatever DAGSTER_HOME was set to for another project, and said so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ccf_assets import settings
from ccf_assets.errors import CcfError
from ccf_assets.runs.home import dagster_home

OURS = settings.dagster_file("dagster.yaml").read_text("utf-8")


def own_home() -> Path:
    return Path(os.environ["CCF_HOME"]) / "dagster"


def test_the_home_of_dagster_is_never_half_written(monkeypatch: pytest.MonkeyPatch) -> None:
    home = dagster_home()
    assert home == own_home()
    settings_file = home / "dagster.yaml"
    whole = settings_file.stat()
    monkeypatch.delenv("DAGSTER_HOME")
    assert dagster_home() == home
    assert settings_file.stat().st_ino == whole.st_ino, "equal settings are left alone"
    for named in (None, str(home)):
        settings_file.write_text("old: true\n")
        monkeypatch.delenv("DAGSTER_HOME") if named is None else monkeypatch.setenv("DAGSTER_HOME", named)
        said: list[str] = []
        assert dagster_home(said.append) == home
        assert "CcfDagsterStorage" in settings_file.read_text()
        assert said == []
    assert [file.name for file in home.iterdir()] == ["dagster.yaml"]


@pytest.mark.parametrize("module", ["ccf_assets.runs.storage", "ccf_assets.instance"])
def test_a_home_of_the_users_own_with_our_storage_is_used_and_left_to_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str
) -> None:
    text = OURS.replace("ccf_assets.runs.storage", module)
    (tmp_path / "dagster.yaml").write_text(text)
    monkeypatch.chdir(tmp_path.parent)
    for named in (str(tmp_path), tmp_path.name):  # Dagster itself refuses a relative path
        monkeypatch.setenv("DAGSTER_HOME", named)
        said: list[str] = []
        assert dagster_home(said.append) == tmp_path
        assert os.environ["DAGSTER_HOME"] == str(tmp_path)
        assert said == []
    assert (tmp_path / "dagster.yaml").read_text() == text
    assert not own_home().exists()


def _is_empty(home: Path) -> None:
    home.mkdir()


def _is_another_projects(home: Path) -> None:
    home.mkdir()
    (home / "dagster.yaml").write_text("# not ccf_assets.runs.storage\ntelemetry:\n  enabled: true\n")


def _is_no_text(home: Path) -> None:
    home.mkdir()
    (home / "dagster.yaml").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _home: None, "does not exist"),
        (_is_empty, "has no dagster.yaml"),
        (lambda home: home.write_text(""), "has a dagster.yaml that cannot be read (Not a directory)"),
        (_is_another_projects, "belongs to another project, whose records are elsewhere"),
        (_is_no_text, "has a dagster.yaml that cannot be read (it is not UTF-8)"),
    ],
    ids=["gone", "empty", "a file", "another project's", "no text"],
)
@pytest.mark.parametrize("relative", [True, False])
def test_a_home_that_is_none_of_ours_is_said_not_to_be_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make: Callable[[Path], object],
    words: str,
    relative: bool,
) -> None:
    other = tmp_path / "other"
    make(other)
    before = sorted(other.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "other" if relative else str(other))
    said: list[str] = []
    assert dagster_home(said.append) == own_home()
    assert said == [
        f"DAGSTER_HOME is not used: {other} {words}. Dagster's home is {own_home()} instead; unset "
        "DAGSTER_HOME, or name a folder whose dagster.yaml has the storage of ccf_assets."
    ]
    assert os.environ["DAGSTER_HOME"] == str(own_home())
    assert sorted(other.rglob("*")) == before
    assert dagster_home(said.append) == own_home()
    assert len(said) == 1, "it is said once, and to no child"


def test_a_home_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CCF_HOME", str(tmp_path / "file"))
    with pytest.raises(CcfError, match=r"Dagster's home .*/file/dagster cannot be made: Not a directory"):
        dagster_home()
