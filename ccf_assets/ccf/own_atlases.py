"""A lab's own catalogue of atlases: a TOML file with one table for each, and one for each space it describes.

Entries that are wrong are left out, each with a sentence, and the others are good. What files hold is not
looked at here (sources.own_files).
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ccf_assets import settings
from ccf_assets.ccf.catalogue import ALLEN, BUILT_IN, FIRST_OWN_ID, AtlasEntry, OwnSpace
from ccf_assets.ccf.space import ALLEN_CCF, AXES, DIRECTIONS, Direction
from ccf_assets.errors import CcfError, why
from ccf_assets.files import TomlError, read_toml

_KEYS = ("ccf_id", "version", "annotation", "ontology", "space", "axes", "resolution_um", "brainglobe")

_SPACE_KEYS = ("species", "midline_um", "source")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_NAME_RULE = "must be lower-case letters, digits and _, and begin with a letter"

_LONGEST_VERSION = 64
"""Characters; atlas.ccf_version has no more."""

_LARGEST_ID = 2**31 - 1

_LONGEST_EDGE_UM = 10_000.0

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def read_own(
    path: Path,
) -> tuple[dict[str, AtlasEntry], dict[str, OwnSpace], tuple[tuple[str, str], ...]]:
    """The entries of a lab's own catalogue.

    Args:
        path: the TOML file, as docs/own_atlas.md describes it.

    Returns:
        The entries by key, what the file says of spaces by name, and for each entry that is left out its key
        (empty for the file as a whole) and a sentence.
    """
    try:
        tables = read_toml(path)
    except OSError as error:
        return {}, {}, (("", f"{path}: the catalogue of atlases cannot be read: {why(error)}."),)
    except (TomlError, UnicodeDecodeError) as error:
        sentence = f"{path}: the catalogue of atlases cannot be read, this is not valid TOML: {error}."
        return {}, {}, (("", sentence),)
    entries: dict[str, AtlasEntry] = {}
    problems: list[tuple[str, str]] = []
    spaces: dict[str, OwnSpace] = {}
    described = tables.pop("spaces", {})
    for name, fields in described.items() if isinstance(described, dict) else [("spaces", described)]:
        try:
            spaces[name] = _read_space(_Table(path, f"space {name!r}", fields), name)
        except CcfError as error:
            problems.append((f"spaces.{name}", str(error)))
    for key, fields in tables.items():
        try:
            table = _Table(path, f"atlas {key!r}", fields)
            entry = _read_entry(table, key)
            _refuse_taken(table, entry, entries)
            broken = next((text for of, text in problems if of == f"spaces.{entry.space}"), None)
            if broken is not None:
                raise CcfError(broken)
            entries[key] = entry
        except CcfError as error:
            problems.append((key, str(error)))
    return entries, spaces, tuple(problems)


@dataclass(frozen=True)
class _Table:
    """One table of the file, with its place for sentences."""

    path: Path
    what: str
    fields: Any

    def wrong(self, key: str, problem: str) -> CcfError:
        return CcfError(f"{self.path}: {self.what}: {key} {problem}.")

    def check_keys(self, known: tuple[str, ...], of: str) -> None:
        if not isinstance(self.fields, dict):
            raise CcfError(
                f"{self.path}: {self.what} is outside of any table; an atlas begins with a line [its_key]."
            )
        for key in self.fields:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                meant = f"; did you mean {near[0]}" if near else f"; there are {', '.join(known)}"
                raise self.wrong(key, f"is not a key of {of}{meant}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.fields.get(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, f"must be a text, not {value!r:.100}")
        return value.strip()


def _read_space(table: _Table, name: str) -> OwnSpace:
    table.check_keys(_SPACE_KEYS, "a space")
    if not _NAME.fullmatch(name):
        raise table.wrong("its name", _NAME_RULE)
    if name == ALLEN_CCF.name:
        raise table.wrong("its name", "is that of the built-in space, which stays as it is")
    midline = table.fields.get("midline_um")
    if midline is not None and not (_is_number(midline) and midline > 0):
        raise table.wrong("midline_um", "must be µm from the left side of the volume, or be left out")
    return OwnSpace(
        name,
        species=table.text("species", "unknown").removeprefix("unknown"),
        midline_um=None if midline is None else float(midline),
        source=table.text("source", f"the lab's catalogue of atlases ({table.path.name})"),
    )


def _read_entry(table: _Table, key: str) -> AtlasEntry:
    table.check_keys(_KEYS, "an atlas")
    fields: Mapping[str, Any] = table.fields
    if not _NAME.fullmatch(key):
        raise table.wrong("the key", _NAME_RULE)
    number = fields.get("ccf_id")
    if number is None:
        raise table.wrong(
            "ccf_id", f"is missing; choose a number of {FIRST_OWN_ID} or more that no other atlas has"
        )
    if isinstance(number, bool) or not isinstance(number, int) or not FIRST_OWN_ID <= number <= _LARGEST_ID:
        raise table.wrong(
            "ccf_id", f"must be a whole number from {FIRST_OWN_ID:,} to {_LARGEST_ID:,}, not {number!r:.50}"
        )
    if "brainglobe" in fields:
        more = [each for each in ("annotation", "ontology") if each in fields]
        if more:
            raise table.wrong("brainglobe", f"names the volume and the ontology; leave out {', '.join(more)}")
        folder = _place(table, "brainglobe")
        version = table.text("version", Path(folder).name)
    else:
        folder, version = "", table.text("version")
    if len(version) > _LONGEST_VERSION:
        raise table.wrong("version", f"must have at most {_LONGEST_VERSION} characters")
    if version.startswith("phantom"):
        raise table.wrong("version", "must not begin with 'phantom', as the built-in stand-in's does")
    space = table.text("space", ALLEN_CCF.name)
    if not _NAME.fullmatch(space):
        raise table.wrong("space", _NAME_RULE)
    ontology = ""
    if not folder:
        ontology = table.text("ontology")
        ontology = ontology if ontology == ALLEN else _place(table, "ontology")
    return AtlasEntry(
        key=key,
        ccf_id=number,
        version=version,
        annotation=folder or _place(table, "annotation"),
        ontology=ontology,
        space=space,
        axes=_axes(table),
        edges_um=_edges(table),
        brainglobe=bool(folder),
        own=True,
    )


def _refuse_taken(table: _Table, entry: AtlasEntry, others: Mapping[str, AtlasEntry]) -> None:
    """Refuse a key or number that another entry has."""
    if entry.key in BUILT_IN:
        raise table.wrong("the key", "is that of a built-in atlas; choose another")
    for other in others.values():
        if other.ccf_id == entry.ccf_id:
            raise table.wrong("ccf_id", f"{entry.ccf_id} is that of {other.key}; every atlas has its own")


def _place(table: _Table, key: str) -> str:
    """A whole path or an address; paths are relative to the catalogue."""
    named = table.text(key)
    if _ADDRESS.match(named):
        try:
            parts = urlsplit(named)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:  # without the value: if it cannot be parsed, a password in it cannot be hidden
            raise table.wrong(key, "is no usable address")
        return named
    if "://" in named:
        raise table.wrong(key, "must be a path, or an address that begins with http:// or https://")
    expanded = Path(named).expanduser() if named.startswith("~") else Path(named)
    return str(settings.path(str(table.path.parent / expanded)))


def _axes(table: _Table) -> tuple[Direction, Direction, Direction] | None:
    given = table.fields.get("axes")
    if given is None:
        return None
    if (
        not isinstance(given, list)
        or len(given) != len(AXES)
        or any(each not in DIRECTIONS for each in given)
    ):
        raise table.wrong(
            "axes",
            "must say in three words where each stored axis runs to, the first axis first, of "
            f"{', '.join(DIRECTIONS)}",
        )
    first, second, third = given
    if len({DIRECTIONS[each][0] for each in given}) != len(AXES):
        raise table.wrong("axes", f"{', '.join(given)} must run along three different axes")
    return first, second, third


def _edges(table: _Table) -> tuple[float, float, float] | None:
    given = table.fields.get("resolution_um")
    if given is None:
        return None
    edges = given if isinstance(given, list) else [given] * len(AXES)
    if len(edges) != len(AXES) or not all(
        _is_number(edge) and 0 < edge <= _LONGEST_EDGE_UM for edge in edges
    ):
        raise table.wrong(
            "resolution_um", "must be the edge of a voxel in µm, or three edges along AP, DV, ML"
        )
    ap, dv, ml = map(float, edges)
    return ap, dv, ml


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
