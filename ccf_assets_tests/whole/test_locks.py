"""The locks that make installs: exact versions within the bounds of pyproject.toml, and of no machine."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = Path(__file__).parents[2] / "locks"


def entries(name: str) -> list[str]:
    """What a lock names: one string for each version of each package, with its hashes."""
    text = LOCKS.joinpath(f"{name}.txt").read_text("utf-8").replace("\\\n", "")
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]


def pinned(name: str) -> dict[str, set[str]]:
    """The versions of each package: more than one where not all Pythons have the same."""
    found: dict[str, set[str]] = {}
    for requirement in requirements(name):
        found.setdefault(canonicalize_name(requirement.name), set()).add(version_of(requirement))
    return found


def requirements(name: str) -> list[Requirement]:
    return [Requirement(entry.partition(" --hash=")[0].strip()) for entry in entries(name)]


def version_of(pin: Requirement) -> str:
    (version,) = pin.specifier
    assert version.operator == "=="
    return version.version


@pytest.mark.parametrize("name", sorted(path.stem for path in LOCKS.glob("*.txt")))
def test_lock_names_no_address_and_no_folder(name: str) -> None:
    assert pinned(name)
    lines = LOCKS.joinpath(f"{name}.txt").read_text("utf-8").splitlines()
    assert not [line for line in lines if "://" in line or "index" in line.split(" ")[0] or " /" in line]


@pytest.mark.parametrize("name", ["run", "test", "uv"])
def test_lock_has_hashes(name: str) -> None:
    assert not [entry for entry in entries(name) if "--hash=sha256:" not in entry]


@pytest.mark.parametrize(
    ("name", "extra"),
    [("run", ""), ("test", "test"), ("bench", "bench"), ("fuzz", "fuzz"), ("lowest", "test")],
)
def test_lock_has_what_pyproject_asks_for(name: str, extra: str) -> None:
    """After a change of pyproject.toml: make lock. Looks at what the Python of the test installs."""
    here = {"extra": extra}
    held = {
        canonicalize_name(pin.name): version_of(pin)
        for pin in requirements(name)
        if not pin.marker or pin.marker.evaluate()
    }
    for text in importlib.metadata.requires("ccf_assets") or []:
        asked = Requirement(text)
        if not asked.marker or asked.marker.evaluate(here):
            version = held[canonicalize_name(asked.name)]
            assert asked.specifier.contains(version), (text, version)


@pytest.mark.parametrize("name", ["run", "bench", "fuzz"])
def test_one_environment_can_hold_what_two_locks_name(name: str) -> None:
    test = pinned("test")
    assert {package: held for package, held in pinned(name).items() if held - test.get(package, held)} == {}
