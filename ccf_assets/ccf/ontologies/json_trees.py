"""Trees of structures in JSON: the Allen Institute's structure graph, AllenSDK's and BrainGlobe's lists.

A parent is given by nesting (``children``), by ``structure_id_path`` or by ``parent_structure_id``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from ccf_assets.ccf.ontologies import entries
from ccf_assets.ccf.ontologies.entries import Decimal, Entry
from ccf_assets.ccf.ontologies.graph import DEEPEST, MOST_STRUCTURES
from ccf_assets.errors import CcfError, first_line
from ccf_assets.finding import counted, listed

STRUCTURE_GRAPH = "structure graph JSON"
ALLENSDK = "AllenSDK structures JSON"
BRAINGLOBE = "BrainGlobe structures.json"

_MOST_VALUES = 2_000_000
"""As Python objects some hundred MB. AllenSDK's list has 100,000."""

_LONGEST_NUMBER = 20

_ALLENSDK_KEYS = frozenset({"graph_order", "graph_id", "structure_set_ids"})


@dataclass(frozen=True)
class _Node:
    """A structure with the parents that it may have.

    Attributes:
        entry: the structure, without a parent.
        parents: what says so (``nesting`` …) → the id of the parent, the one that counts most first.
    """

    entry: Entry
    parents: Mapping[str, int]


def read_json(path: Path, raw: bytes) -> object:
    """The value of a JSON, in which numbers with a point are `Decimal`.

    Raises:
        CcfError: it is no valid JSON in UTF-8, has NaN or a key twice in one object, or is too large or deep.
    """
    if raw.count(b",") > _MOST_VALUES:
        raise CcfError(f"{path} has more than {_MOST_VALUES:,} values, so it is no ontology of a brain.")
    try:
        return json.loads(
            raw.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_no_number,
        )
    except RecursionError:
        raise CcfError(f"{path} is nested too deeply; an ontology has at most {DEEPEST} levels.") from None
    except UnicodeDecodeError as error:
        raise CcfError(
            f"{path} is no JSON in UTF-8: byte {error.start + 1:,} is 0x{raw[error.start]:02X}; "
            "save it as UTF-8."
        ) from None
    except ValueError as error:
        raise CcfError(f"{path} is no valid JSON: {first_line(error):.200}.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r:.60} occurs twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:  # Python takes long for thousands of digits, or refuses them
        raise ValueError(f"the number {digits:.20}… has {len(digits):,} digits")
    return int(digits)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"it has the value {name}, which JSON does not allow")


def read_tree(path: Path, value: object) -> tuple[str, list[Entry], list[str]] | None:
    """The structures of a JSON, if it is of one of these forms.

    Args:
        path: the file, for a sentence.
        value: what `read_json` returned.

    Returns:
        The form's name, the structures in the file's order, and a sentence for each thing that was changed;
        None if it is of another form.

    Raises:
        CcfError: a structure has no id or an invalid value, or two different parents, or is too deep.
    """
    if isinstance(value, dict) and "msg" in value:
        if value.get("success") is False or isinstance(value["msg"], str):
            said = entries.quoted(value["msg"], 200)
            raise CcfError(f"{path} holds an error of the Allen Institute's server, no structures: {said}.")
        value = value["msg"]
    tops = [value] if isinstance(value, dict) else value
    if not isinstance(tops, list) or not tops or not all(isinstance(top, dict) for top in tops):
        return None
    keys = {key for top in tops for key in top}
    if "id" not in keys or not keys & {"children", "structure_id_path", "parent_structure_id"}:
        return None
    if "children" in keys or "structure_id_path" not in keys:
        form = STRUCTURE_GRAPH
    else:
        form = ALLENSDK if keys & _ALLENSDK_KEYS else BRAINGLOBE
    notes: list[str] = []
    nodes = _nodes(path, tops, notes)
    return form, _with_parents(path, nodes, notes), notes


def _nodes(path: Path, tops: Sequence[Any], notes: list[str]) -> list[_Node]:
    """All structures in the file's order: without recursion, for the file says how deep it is."""
    nodes: list[_Node] = []
    path_of: dict[int, list[int]] = {}
    left: list[tuple[Any, int | None, int]] = [(top, None, 1) for top in reversed(tops)]
    while left:
        value, above, depth = left.pop()
        if not isinstance(value, dict):
            raise CcfError(
                f"{path}: a child of {above} is {entries.quoted(value)}, not an object with an id."
            )
        if depth > DEEPEST or len(nodes) > MOST_STRUCTURES:
            raise CcfError(
                f"{path} is nested deeper than {DEEPEST} levels, or has more than {MOST_STRUCTURES:,} "
                "structures, so it is no ontology of a brain."
            )
        who = entries.row_name(f"structure {len(nodes) + 1:,}", value.get("acronym") or value.get("name"))
        entry = _entry(path, value, who)
        parents = {} if above is None else {"nesting": above}
        ids = _id_path(path, value.get("structure_id_path"), who)
        if ids:
            if ids[-1] != entry.region_id:
                raise CcfError(
                    f"{path}: the structure_id_path of {who} ends with {ids[-1]}, not with its id."
                )
            path_of[entry.region_id] = ids
            parents |= {"structure_id_path": ids[-2]} if len(ids) > 1 else {}
        if value.get("parent_structure_id") is not None:
            what = "parent_structure_id"
            parents[what] = entries.region_id(path, value[what], who, what=what)
        nodes.append(_Node(entry, parents))
        children = value.get("children") or []
        if not isinstance(children, list):
            raise CcfError(f"{path}: the children of {who} are {entries.quoted(children)}, not a list.")
        left.extend((child, entry.region_id, depth + 1) for child in reversed(children))
    partial = sum(len(ids) > 1 and path_of.get(ids[-2], []) != ids[:-1] for ids in path_of.values())
    if partial:
        has = "structure has" if partial == 1 else "structures have"
        notes.append(
            f"{partial:,} {has} a structure_id_path that is not that of the parent and its own id: "
            "only the last two ids of a path are used."
        )
    return nodes


def _entry(path: Path, value: Mapping[str, Any], who: str) -> Entry:
    rgb = value.get("rgb_triplet")
    color = entries.color(path, value.get("color_hex_triplet"), rgb if isinstance(rgb, list) else [rgb], who)
    return Entry(
        entries.region_id(path, value.get("id"), who),
        acronym=entries.text(path, value.get("acronym"), who, "acronym"),
        name=entries.text(path, value.get("name"), who, "name"),
        safe_name=entries.text(path, value.get("safe_name"), who, "safe_name"),
        color=color,
        order=_order(path, value.get("graph_order"), who),
    )


def _order(path: Path, value: object, who: str) -> int | None:
    number = entries.whole_number(value)
    if value is not None and (number is None or number >= 2**31):
        raise CcfError(
            f"{path}: the graph_order of {who} is {entries.quoted(value)}, "
            f"not a whole number of 0 to {2**31 - 1:,}."
        )
    return number


def _id_path(path: Path, value: object, who: str) -> list[int]:
    """The ids of a structure_id_path, a list or ``/997/8/``; none if there is none."""
    if value is None:
        return []
    steps = value.strip("/").split("/") if isinstance(value, str) and value.strip("/") else value or []
    if not isinstance(steps, list):
        raise CcfError(
            f"{path}: the structure_id_path of {who} is {entries.quoted(value)}, not a list of ids."
        )
    return [entries.region_id(path, step, who, what="structure_id_path") for step in steps]


def _with_parents(path: Path, nodes: Sequence[_Node], notes: list[str]) -> list[Entry]:
    """Each structure with its parent: two that are in the file contradict, one that is not is passed over."""
    ids = {node.entry.region_id for node in nodes}
    passed_over: list[str] = []
    found: list[Entry] = []
    for node in nodes:
        who = entries.shown(node.entry.acronym or node.entry.name, node.entry.region_id)
        inside = {how: parent for how, parent in node.parents.items() if parent in ids}
        if len(set(inside.values())) > 1:
            said = " and ".join(f"{parent} by {how}" for how, parent in inside.items())
            raise CcfError(f"{path}: {who} has more than one parent: {said}; keep the right one.")
        parent = next(iter((inside or node.parents).values()), None)
        if inside and len(inside) < len(node.parents):
            passed_over.append(who)
        found.append(replace(node.entry, parent_id=parent))
    if passed_over:
        names = "names" if len(passed_over) == 1 else "name"
        notes.append(
            f"{counted(len(passed_over), 'structure')} ({listed(passed_over)}) {names} two parents, "
            "one of which is not in the file: the other is used."
        )
    return found
