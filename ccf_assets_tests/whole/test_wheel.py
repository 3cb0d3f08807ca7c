"""The package as it is released: a wheel in an environment of its own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path = ROOT, **settings: str) -> str:
    """What a command says; it sees no setting of this project, Dagster's or Python's but those given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CCF_", "DAGSTER_", "PYTHON"))}
    ended = subprocess.run(command, check=False, cwd=cwd, env=kept | settings, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # The build backend itself, which is installed: an isolated build would fetch it again.
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def home() -> Iterator[Path]:
    # Not below pytest's own temporary folder: it is closed to other users, and under root the server is one.
    with tempfile.TemporaryDirectory(prefix="ccf_test_") as folder:
        yield Path(folder).resolve()


def test_wheel_holds_the_package_with_its_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "ccf_assets"
    files = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files |= {"ccf_assets/dagster.yaml", "ccf_assets/workspace.yaml"}
    assert {name for name in names if ".dist-info/" not in name} == files
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_wheel_loads_an_atlas_in_an_empty_folder(wheel: Path, tmp_path: Path, home: Path) -> None:
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin/python"
    run(
        *(sys.executable, "-m", "pip", "--isolated", "--python", str(python)),
        *("install", "--quiet", "--no-deps", "--no-index", wheel),
    )
    # The dependencies are those of this environment: to install them again takes a minute and the network. A
    # .pth file names its folders, so .pth files in them, as the one that names the checkout, are not read.
    (site,) = environment.glob("lib/python3*/site-packages")
    folders = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("\n".join(folders) + "\n", "utf-8")

    def ccf_assets(*arguments: str) -> str:
        return run(
            environment / "bin/ccf-assets",
            *arguments,
            cwd=empty,
            HOME=str(home),
            CCF_HOME=str(home / "ccf"),
            CCF_SOURCE="phantom",
        )

    told = run(
        python, "-c", "import ccf_assets, sys; print(ccf_assets.__file__, *sys.path, sep='\\n')", cwd=empty
    )
    path = told.splitlines()
    assert Path(path[0]).is_relative_to(site)
    assert str(ROOT) not in path

    ccf_assets("load", "--no-rows", "phantom_100um")
    assert "phantom_100um" in ccf_assets("status")
    assert not list(empty.iterdir())
