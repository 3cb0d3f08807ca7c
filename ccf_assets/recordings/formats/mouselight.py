"""Neurons of Janelia's MouseLight: their JSON, which states its space, and SWC, which states none.

Form of the JSON: ml-neuronbrowser.janelia.org's export and AllenNeuralDynamics/aind-morphology-utils
(write_mouselight_json.py): ``neurons`` (or one ``neuron``), each with idString, annotationSpace, soma, axon
and dendrite; a node has sampleNumber, x, y, z, allenId, besides structureIdentifier, parentNumber, radius.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ccf_assets.ccf.space import XYZ
from ccf_assets.errors import CcfError, first_line
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table, refuse_too_many, table_from
from ccf_assets.recordings.formats.json_file import (
    LARGEST_JSON,
    json_kind,
    json_text,
    number,
    read_json,
    whole_number,
)

_AXES = {2.5: ("ml", "dv", "ap"), 3.0: ("ap", "dv", "ml")}
"""What x, y, z are, by annotationSpace.version; all in µm from the corner of the CCF.

Its description says it: "CCFv2.5 (ML legacy) Axes> Z: Anterior-Posterior; Y: Inferior-Superior; X:
Left-Right", and "CCFv3.0 Axes> X: Anterior-Posterior; Y: Inferior-Superior; Z:Left-Right".
"""

_TREES = ("axon", "dendrite")

_SCHEMA = {
    "recording_id": pl.String(),
    "site_id": pl.String(),
    "ap": pl.Float64(),
    "dv": pl.Float64(),
    "ml": pl.Float64(),
    "reported_region": pl.String(),
    "tree": pl.String(),
    "sampleNumber": pl.Int64(),
    "parentNumber": pl.Int64(),
    "structureIdentifier": pl.Int64(),
    "radius": pl.Float64(),
}


def find_json(listing: Listing) -> Iterator[Found]:
    """Each JSON file with neurons."""
    for name in sorted(listing.files):
        if name.lower().endswith(".json") and listing.look(name, json_kind) == "mouselight":
            yield Found(name)


def read_neurons(source: Source, settings: FileSettings) -> Table:
    """The nodes of every neuron, each neuron a recording: ``soma``, ``axon 1``, …, ``dendrite 1``, ….

    The numbers are the sampleNumber; where a tree has one twice, those of its rows.

    Raises:
        CcfError: the file is not of this form, or of a version of the space that is not known.
    """
    path = source.path
    content = read_json(path)
    neurons = content.get("neurons", [content.get("neuron")]) if isinstance(content, dict) else None
    if not isinstance(neurons, list) or not neurons or not all(isinstance(each, dict) for each in neurons):
        raise CcfError(f"{path} has no list of neurons, as a file of MouseLight has.")
    ids = [neuron.get("idString") for neuron in neurons]
    named = all(isinstance(each, str) and each.strip() for each in ids) and len(set(ids)) == len(ids)
    rows: list[dict[str, Any]] = []
    for place, neuron in enumerate(neurons):
        alone = source.file_name if len(neurons) == 1 else f"{source.file_name} neuron {place}"
        where = f"{path}, neuron {ids[place]!r:.60}"
        axes = _axes_of(neuron, where)
        rows.extend(_nodes(neuron, where, ids[place] if named else alone, axes))
    if not rows:
        raise CcfError(f"{path} has neurons without nodes: neither soma nor axon nor dendrite.")
    refuse_too_many(path, len(rows))
    table = pl.DataFrame(rows, schema=_SCHEMA)
    return table_from(
        path.name,
        table,
        lambda row: f"node {table['site_id'][row]}",
        "ccf",
    )


def _axes_of(neuron: dict[str, Any], where: str) -> tuple[str, str, str]:
    space = neuron.get("annotationSpace")
    version = space.get("version") if isinstance(space, dict) else None
    try:
        axes = _AXES.get(float(version or 0))
    except (TypeError, ValueError, OverflowError):
        axes = None
    if axes is None:
        raise CcfError(
            f"{where}: annotationSpace.version is {version!r:.60}, and only 2.5 (x, y, z are ML, "
            "DV, AP) and 3 (AP, DV, ML) are known; export the neuron again, or write its nodes as a CSV with "
            "their frame."
        )
    return axes


def _nodes(
    neuron: dict[str, Any], where: str, recording: str, axes: tuple[str, str, str]
) -> Iterator[dict[str, Any]]:
    if neuron.get("soma") is not None:
        soma = _node(neuron["soma"], f"{where}, soma", axes)
        yield {"recording_id": recording, "site_id": "soma", "tree": "soma", **soma}
    for tree in _TREES:
        nodes = neuron.get(tree) or []
        if not isinstance(nodes, list):
            raise CcfError(f"{where}: {tree} is {nodes!r:.60}, not a list of nodes.")
        read = [_node(node, f"{where}, {tree}, row {row}", axes) for row, node in enumerate(nodes)]
        numbers = [node["sampleNumber"] for node in read]
        unique = None not in numbers and len(set(numbers)) == len(numbers)
        for row, node in enumerate(read):
            name = f"{tree} {node['sampleNumber']}" if unique else f"{tree} row {row}"
            yield {"recording_id": recording, "site_id": name, "tree": tree, **node}


def _node(node: object, where: str, axes: tuple[str, str, str]) -> dict[str, Any]:
    if not isinstance(node, dict) or not {*XYZ} <= set(node):
        raise CcfError(f"{where} is {node!r:.60}, not a node with x, y, z.")
    xyz = [number(node[name], f"{where}, {name}") for name in XYZ]
    region = whole_number(node.get("allenId"), f"{where}, allenId")
    whole = ("sampleNumber", "parentNumber", "structureIdentifier")
    return {
        **dict(zip(axes, xyz, strict=True)),
        "reported_region": None if region is None else str(region),
        **{name: whole_number(node.get(name), f"{where}, {name}") for name in whole},
        "radius": number(node.get("radius"), f"{where}, radius"),
    }


def find_swc(listing: Listing) -> Iterator[Found]:
    """Each SWC file."""
    yield from (Found(name) for name in sorted(listing.files) if name.lower().endswith(".swc"))


def read_swc(source: Source, settings: FileSettings) -> Table:
    """The nodes of one neuron, numbered as in the file. SWC states no space: `Table.frame` is None.

    Form: Cannon et al. 1998: id, type, x, y, z, radius, parent, separated by blanks; ``#`` begins a comment.

    Raises:
        CcfError: the file is not of this form.
    """
    path = source.path
    nodes = _swc_rows(path)
    refuse_too_many(path, len(nodes))
    columns = {
        "recording_id": pl.repeat(source.file_name, len(nodes), dtype=pl.String, eager=True),
        "site_id": pl.Series(nodes[:, 0].astype(np.int64)),
        **{axis: pl.Series(nodes[:, place], nan_to_null=True) for place, axis in enumerate(XYZ, start=2)},
        "type": pl.Series(nodes[:, 1]),
        "radius": pl.Series(nodes[:, 5]),
        "parent": pl.Series(nodes[:, 6]),
    }
    return Table(path.name, list(columns), columns, len(nodes), lambda row: f"node {nodes[row, 0]:.0f}")


def _swc_rows(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Shape (N, 7), float64; the first column holds whole numbers."""
    text = json_text(path)
    if not any(line.split("#", 1)[0].strip() for line in io.StringIO(text)):
        raise CcfError(f"{path} has no nodes.")
    try:
        rows = np.loadtxt(io.StringIO(text), dtype=np.float64, comments="#", usecols=range(7), ndmin=2)
    except ValueError as error:
        raise CcfError(
            f"{path} is not readable as SWC ({first_line(error):.200}); a line must be: "
            "id type x y z radius parent."
        ) from None
    whole = (np.abs(rows[:, 0]) < 2**53) & (np.round(rows[:, 0]) == rows[:, 0])
    if not whole.all():
        raise CcfError(f"{path}: the id {rows[int((~whole).argmax()), 0]:g} is not a whole number.")
    return np.asarray(rows)


NEURONS = SiteFormat("neurons of MouseLight", (".json",), find_json, read_neurons, largest_bytes=LARGEST_JSON)

SWC = SiteFormat("neuron in SWC", (".swc",), find_swc, read_swc, largest_bytes=LARGEST_JSON)
