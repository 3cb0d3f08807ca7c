"""What a module may load, how long it may be, and the public names: the house keeps its own rules."""

from __future__ import annotations

import ast
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ccf_assets

PACKAGE = Path(ccf_assets.__file__).parent

MOST_LINES = 460

DATABASE = ["psycopg", "sqlalchemy"]

DAGSTER = ["dagster"]

_IMPORT_EACH = """
import importlib, json, sys
names, forbidden = json.loads(sys.argv[1])
loaded = {}
for name in names:
    importlib.import_module(name)
    for other in forbidden:
        if other in sys.modules:
            loaded.setdefault(other, name)
print(json.dumps(loaded))
"""
"""Imports modules one after the other; prints forbidden module → the first one that loaded it."""


def modules_of(package: str) -> list[str]:
    """A package, and every module and package in it."""
    folder = PACKAGE.parent.joinpath(*package.split("."))
    return [package, *(each.name for each in pkgutil.walk_packages([str(folder)], f"{package}."))]


def loaded_by(modules: list[str], forbidden: list[str]) -> dict[str, str]:
    """Of the forbidden modules those that a fresh interpreter has loaded with these, and by which."""
    process = subprocess.run(
        [sys.executable, "-c", _IMPORT_EACH, json.dumps([modules, forbidden])],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded: dict[str, str] = json.loads(process.stdout)
    return loaded


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("ccf_assets.ccf", DATABASE + DAGSTER),
        ("ccf_assets.pictures", DATABASE + DAGSTER),
        ("ccf_assets.recordings.files", DATABASE + DAGSTER),
        ("ccf_assets.recordings.findings", DATABASE + DAGSTER),
        ("ccf_assets.pg", DAGSTER),
        ("ccf_assets.atlas", DAGSTER),
    ],
)
def test_what_a_package_can_do_without_it_does_not_load(package: str, forbidden: list[str]) -> None:
    modules = modules_of(package)
    assert len(modules) > 4
    assert loaded_by(modules, forbidden) == {}


def test_a_forbidden_module_would_be_noticed() -> None:
    assert loaded_by(["ccf_assets.errors", "ccf_assets.db.schema"], DATABASE) == {
        "sqlalchemy": "ccf_assets.db.schema"
    }


@pytest.mark.parametrize(
    "imported",
    [
        "from ccf_assets import Atlas, CcfError, create_engine",
        # The command of a load, and what its workers send to it.
        "from ccf_assets.cli import load, loading, outcome, watch; from ccf_assets.progress import Note",
    ],
)
def test_the_public_names_and_the_command_of_a_load_import_no_dagster(imported: str) -> None:
    script = f"import sys; {imported}; print('dagster' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "False"


def test_no_module_is_longer_than_one_can_survey() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert len(lines) > 100
    assert {str(path): count for path, count in lines.items() if count > MOST_LINES} == {}


def test_every_module_says_what_belongs_in_it() -> None:
    undocumented = [
        str(path)
        for path in PACKAGE.rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert undocumented == []


def test_the_public_names_are_all_listed_and_all_resolve() -> None:
    assert sorted(ccf_assets.__all__, key=str.lower) == sorted(
        [*ccf_assets._HOME_OF, "__version__"], key=str.lower
    )
    assert set(ccf_assets.__all__) <= set(dir(ccf_assets))
    for name in ccf_assets.__all__:
        assert getattr(ccf_assets, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        ccf_assets.no_such_name  # noqa: B018


def test_each_public_name_is_documented_here_and_where_it_is_defined() -> None:
    # In a fresh interpreter: the suite puts an engine of its own in the place of create_engine.
    script = (
        "import inspect, json, ccf_assets; names = set(ccf_assets.__all__) - {'__version__'}; "
        "objects = {name: getattr(ccf_assets, name) for name in names}; "
        "print(json.dumps({name: [each.__module__, inspect.getdoc(each)] for name, each in objects.items()}))"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    documented = json.loads(process.stdout)
    assert documented.keys() == ccf_assets._HOME_OF.keys()
    for name, (module, text) in documented.items():
        assert module == f"ccf_assets.{ccf_assets._HOME_OF[name]}"
        assert text, name
        assert f"`{name}`" in (ccf_assets.__doc__ or "")
