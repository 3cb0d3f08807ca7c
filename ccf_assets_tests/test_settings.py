"""What the environment says, and what holds where it says nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ccf_assets import settings
from ccf_assets_tests.support.program import ROOT


def test_everything_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CCF_HOME", "CCF_POSTGRES_URL", "CCF_SOURCE", "CCF_RECORDINGS", "CCF_FRAMES"):
        monkeypatch.delenv(name, raising=False)
    assert settings.home() == ROOT / ".ccf"
    assert settings.postgres_url() is None
    assert settings.source() == "allen"
    assert settings.recordings() == ROOT / ".ccf/recordings"
    assert settings.frames_files() == []
    assert (settings.engine(), settings.slots(), settings.recordings_queue()) == (None, 4, None)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CCF_HOME", "CCF_POSTGRES_URL", "CCF_SOURCE", "CCF_RECORDINGS", "CCF_FRAMES"):
        monkeypatch.setenv(name, "")
    assert settings.home() == ROOT / ".ccf"
    assert settings.postgres_url() is None
    assert settings.source() == "allen"
    assert settings.recordings() == ROOT / ".ccf/recordings"


def test_a_folder_may_be_named_from_where_one_stands_or_from_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CCF_HOME", "here")
    assert settings.home() == tmp_path.resolve() / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CCF_HOME", "~/there")
    assert settings.home() == tmp_path.resolve() / "there"


def test_settings_are_read_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCF_SOURCE", "phantom")
    assert settings.source() == settings.PHANTOM
    monkeypatch.setenv("CCF_SOURCE", "https://mirror.test/ccf")
    assert settings.source() == "https://mirror.test/ccf"


def test_a_labs_own_frames_stand_in_its_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CCF_HOME", str(tmp_path))
    assert settings.frames_files() == []
    (tmp_path / "frames.toml").write_text("")
    assert settings.frames_files() == [tmp_path.resolve() / "frames.toml"]
    monkeypatch.setenv("CCF_FRAMES", str(tmp_path / "others.toml"))
    assert settings.frames_files() == [tmp_path.resolve() / "others.toml"]


@pytest.mark.parametrize("name", ["dagster.yaml", "workspace.yaml"])
def test_dagsters_files_are_found(name: str) -> None:
    assert settings.dagster_file(name).is_file()


def test_an_installed_package_keeps_its_things_in_the_users_home(tmp_path: Path) -> None:
    package = tmp_path / "site-packages/ccf_assets"
    package.mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "files.py", "objects.py", "settings.py"):
        (package / name).write_bytes((ROOT / "ccf_assets" / name).read_bytes())
    ask = "from ccf_assets import settings as s; print(s.home(), s.dagster_file('dagster.yaml'), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", ask], check=True, cwd=package.parent, capture_output=True, text=True,
        env={"HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.splitlines() == [str(tmp_path / ".ccf"), str(package / "dagster.yaml")]


NOWHERE = """
import os, sys
from ccf_assets import settings
from ccf_assets.errors import CcfError
if sys.argv[1] == "no folder":
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
else:
    os.environ.pop("HOME", None)
    os.setuid(54321)
try:
    settings.home()
except CcfError as error:
    print(error)
"""


@pytest.mark.parametrize(("named", "lacks"), [("here", "no folder"), ("~/here", "no home")])
def test_a_folder_that_cannot_be_placed_is_named(tmp_path: Path, named: str, lacks: str) -> None:
    if lacks == "no home" and os.geteuid() != 0:
        pytest.skip("only root can try as a user without a name")
    environment = {**os.environ, "CCF_HOME": named, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", NOWHERE, lacks],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.stdout.startswith(f"There is no telling where {named} is"), done.stderr
    assert "Set CCF_HOME" in done.stdout
