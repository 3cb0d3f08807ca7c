"""Volumes and ontologies in other forms than the official ones, made into these, once, in the cache.

What an entry of the catalogue and its files say together is decided here: where the axes run to, how large a
voxel is, where the midline lies. What two of them say and do not agree on is refused, and nothing is guessed.
Afterwards all that reads the official files reads these, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ccf_assets.ccf.catalogue import ALLEN, AtlasEntry, OwnSpace
from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.ccf.ontologies.read import Ontology, read_ontology
from ccf_assets.ccf.space import ALLEN_CCF, AXES, DIRECTIONS, Direction, Space
from ccf_assets.ccf.volumes.canonical import canonical_edges, canonical_shape
from ccf_assets.ccf.volumes.stored import StoredVolume, open_volume
from ccf_assets.ccf.volumes.volume import rounded
from ccf_assets.ccf.voxel_grid import VoxelGrid, require_extent
from ccf_assets.errors import CcfError, why

_CONVERSION = 1
"""Version of what is made of the files; raised when it changes."""

_SAME = 1e-5
"""Edges that differ by no more than this share are the same: a float32 header has seven digits."""

_MM = 1000.0

_BRAINGLOBE_CODES: Mapping[str, Direction] = {
    "a": "posterior", "p": "anterior", "s": "inferior", "i": "superior", "r": "left", "l": "right",
}  # fmt: skip
"""BrainGlobe's letters name where an axis begins (brainglobe-space, "origin"): ``a`` runs to posterior."""


@dataclass(frozen=True)
class Original:
    """The files of an atlas as they are, and what is known of them before a voxel is read.

    Attributes:
        volume: the annotation volume.
        axes: where its stored axes run to.
        axes_from: what says so.
        grid: its grid along AP, DV, ML.
        space: the space it lies in, as far as the catalogue and the files say.
        ontology: its own ontology; None where it has that of the Allen Institute.
        notes: what was made, changed or taken from somewhere, a sentence each.
    """

    volume: StoredVolume
    axes: tuple[Direction, Direction, Direction]
    axes_from: str
    grid: VoxelGrid
    space: Space
    ontology: Ontology | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Files:
    """The files that an entry names, and what BrainGlobe's metadata says of them."""

    annotation: Path
    ontology: Path | None
    axes: tuple[Direction, Direction, Direction] | None = None
    edges_um: tuple[float, float, float] | None = None
    species: str = ""
    symmetric: bool = False
    statement: str = "the entry"
    note: str = ""


def read_original(
    entry: AtlasEntry, annotation: Path, ontology: Path | None, space: OwnSpace | None
) -> Original:
    """What the files of an atlas are, without reading a voxel.

    Args:
        entry: its entry in the catalogue.
        annotation: the volume, or BrainGlobe's folder, on this machine.
        ontology: the ontology on this machine; None where the entry names that of the Allen Institute, or a
            folder that has it.
        space: what the catalogue says of its space, if anything.

    Raises:
        CcfError: a file is in no known form; the entry and the files contradict each other; or neither says
            where the axes run to or how large a voxel is.
    """
    files = _brainglobe(entry, annotation) if entry.brainglobe else _Files(annotation, ontology)
    volume = open_volume(files.annotation, files.edges_um)
    axes, axes_from = _axes(entry, volume, files)
    edges, note = _edges(entry, volume, axes, files)
    shape = canonical_shape(volume.shape, axes)
    grid = VoxelGrid(shape, edges)
    if entry.space == ALLEN_CCF.name:
        known = ALLEN_CCF
        require_extent(entry.key, grid, known)
    else:
        midline = space.midline_um if space else None
        if midline is None and files.symmetric:
            midline = grid.extent_um[2] / 2
        source = space.source if space else f"the volume of {entry.key}"
        species = (space.species if space else "") or files.species
        known = Space(entry.space, species, grid.extent_um, midline, source)
        if midline is not None and midline >= grid.extent_um[2]:
            raise CcfError(
                f"The midline of {entry.space} is said to be at {midline:g} µm, and {entry.key} ends at "
                f"{grid.extent_um[2]:g} µm; correct midline_um in the catalogue."
            )
    of_atlas = read_ontology(files.ontology) if files.ontology else None
    notes = tuple(n for n in (files.note, note, *(of_atlas.notes if of_atlas else ())) if n)
    grid = replace(grid, midline_um=known.midline_um)
    return Original(volume, axes, axes_from, grid, known, of_atlas, notes)


def _brainglobe(entry: AtlasEntry, folder: Path) -> _Files:
    """The files in a BrainGlobe folder of version 2 or 3, and what its metadata says."""
    if not folder.is_dir():
        raise CcfError(f"{entry.key}: {folder} is not a folder; brainglobe must name the folder of an atlas.")
    for name in ("metadata.json", "manifest.json"):
        if (folder / name).is_file():
            return _brainglobe_files(entry, folder, folder / name)
    raise CcfError(
        f"{entry.key}: {folder} has no metadata.json and no manifest.json; brainglobe must name the "
        "folder of one atlas, such as ~/.brainglobe/kim_mouse_25um_v1.2."
    )


def _brainglobe_files(entry: AtlasEntry, folder: Path, described: Path) -> _Files:
    said = _json(described)
    # Version 3 states none: all its atlases are "asr" (brainglobe-atlasapi, descriptors.ATLAS_ORIENTATION).
    code = str(said.get("orientation", "asr")).lower()
    axes: tuple[Direction, Direction, Direction] | None = None
    note = ""
    if len(code) == len(AXES) and all(letter in _BRAINGLOBE_CODES for letter in code):
        first, second, third = (_BRAINGLOBE_CODES[letter] for letter in code)
        axes = first, second, third
        if entry.space == ALLEN_CCF.name and code == "asr":
            # BrainGlobe packs volumes in CCF space as the Allen Institute stores them, left side first, and
            # says "asr" of all its atlases: read by its letters, the left hemisphere would become the right.
            axes = "posterior", "inferior", "right"
            note = (
                f"{described.name} says {code}, as of every BrainGlobe atlas; volumes in the space "
                f"{entry.space} begin on the left all the same, and are read so."
            )
    edges = _three_numbers(said.get("resolution"))
    annotation, ontology = _volume_and_terms(described, said)
    if annotation is None or ontology is None:
        lacks = "annotation volume" if annotation is None else "ontology"
        raise CcfError(
            f"{entry.key}: the BrainGlobe folder {folder} has no {lacks} (annotation.tiff and "
            "structures.json, or annotations_compressed.ome.zarr and terminology.csv); download the "
            "atlas again."
        )
    return _Files(
        annotation,
        ontology,
        axes,
        edges,
        species=str(said.get("species", "")),
        symmetric=said.get("symmetric") is True,
        statement=described.name,
        note=note,
    )


def _volume_and_terms(described: Path, said: Mapping[str, Any]) -> tuple[Path | None, Path | None]:
    """The volume and the ontology of a BrainGlobe atlas, if they are there.

    In version 2 they lie beside metadata.json. In version 3 manifest.json names the folders of both, below
    the folder that holds ``atlases/NAME/VERSION/manifest.json`` (brainglobe-atlasapi, core).
    """
    if described.name == "metadata.json":
        places = [described.parent / "annotation.tiff", described.parent / "structures.json"]
    else:
        names = ("annotations_compressed.ome.zarr", "terminology.csv")
        folders = [said.get(part) for part in ("annotation_set", "terminology")]
        below = [str(of.get("location", "")).strip("/") if isinstance(of, dict) else "" for of in folders]
        root = described.resolve().parents[3] if len(described.resolve().parents) > 3 else described.parent  # noqa: PLR2004
        places = [root / where / name for where, name in zip(below, names, strict=True)]
        if not all(place.resolve().is_relative_to(root) for place in places):
            raise CcfError(f"{described} names a folder outside of {root}; download the atlas again.")
    annotation, ontology = (place if place.exists() else None for place in places)
    return annotation, ontology


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes()[:1_000_000])
    except (OSError, ValueError, RecursionError) as error:
        reason = why(error) if isinstance(error, OSError) else "it is no valid JSON"
        raise CcfError(f"{path} cannot be read: {reason}.") from None
    if not isinstance(said, dict):
        raise CcfError(f"{path} does not describe an atlas: it must be a JSON object.")
    return said


def _three_numbers(given: object) -> tuple[float, float, float] | None:
    if (
        isinstance(given, list)
        and len(given) == len(AXES)
        and all(isinstance(g, (int, float)) for g in given)
    ):
        first, second, third = map(float, given)
        return first, second, third
    return None


def _axes(
    entry: AtlasEntry, volume: StoredVolume, files: _Files
) -> tuple[tuple[Direction, Direction, Direction], str]:
    """Where the stored axes run to, as the entry and the files agree, and what says so."""
    said = {
        "the catalogue": entry.axes,
        files.statement: files.axes,
        f"the {volume.form} file": volume.axes,
    }
    stated = {who: axes for who, axes in said.items() if axes is not None}
    if not stated:
        words = ", ".join(DIRECTIONS)
        raise CcfError(
            f"{entry.key}: nothing says where the axes of {volume.path} run to. Add to its entry "
            f'axes = ["…", "…", "…"], for the first stored axis first, of the words {words}.'
        )
    if len(set(stated.values())) > 1:
        both = ", but by ".join(f"{who} to {', '.join(axes)}" for who, axes in stated.items())
        raise CcfError(
            f"{entry.key}: the stored axes of {volume.path} run by {both}. Leave axes out of the entry, "
            "or correct it."
        )
    first, second, third = next(iter(stated.values()))
    return (first, second, third), " and ".join(stated)


def _edges(
    entry: AtlasEntry, volume: StoredVolume, axes: tuple[Direction, ...], files: _Files
) -> tuple[tuple[float, float, float], str]:
    """The edges along AP, DV, ML in µm, as the entry and the files agree, and a note where it needs one."""
    declared = entry.edges_um or (entry.grid.edges_um if entry.grid else None)
    in_file = volume.edges_um and canonical_edges(volume.edges_um, axes)
    bare = volume.bare_edges and canonical_edges(volume.bare_edges, axes)
    if bare and set(bare) == {1.0}:  # what programs write that do not know
        bare = None
    said = {
        "the catalogue": declared,
        files.statement: files.edges_um and canonical_edges(files.edges_um, axes),
        f"the {volume.form} file": in_file,
    }
    stated = {who: edges for who, edges in said.items() if edges is not None}
    if not stated and bare:
        # A number without a unit is µm or mm: a known space has room for one of them only.
        for factor, unit in ((1.0, "µm"), (_MM, "mm")):
            edges = tuple(edge * factor for edge in bare)
            spans = (n * e for n, e in zip(canonical_shape(volume.shape, axes), edges, strict=True))
            known = zip(spans, ALLEN_CCF.extent_um, edges, strict=True)
            if entry.space == ALLEN_CCF.name and all(abs(size - wanted) < e for size, wanted, e in known):
                note = (
                    f"The file gives the edges of a voxel without a unit; {unit} fit the space {entry.space}."
                )
                return (edges[0], edges[1], edges[2]), note
    if not stated:
        there = (
            f" The file has {', '.join(f'{b:g}' for b in bare)} along AP, DV, ML, without a unit."
            if bare
            else ""
        )
        raise CcfError(
            f"{entry.key}: nothing says how large a voxel of {volume.path} is.{there} Add to its entry "
            "resolution_um = …, or three numbers along AP, DV, ML."
        )
    first = next(iter(stated.values()))
    wrong = {who: edges for who, edges in stated.items() if not _same(edges, first)}
    if bare and not any(_same(tuple(b * factor for b in bare), first) for factor in (1.0, _MM)):
        wrong[f"the {volume.form} file, without a unit,"] = bare
    if wrong:
        who = next(iter(stated))
        both = ", but by ".join(
            f"{each} {' × '.join(f'{e:g}' for e in edges)}" for each, edges in {who: first, **wrong}.items()
        )
        raise CcfError(
            f"{entry.key}: a voxel of {volume.path} is by {both} µm along AP, DV, ML. Leave resolution_um "
            "out of the entry, or correct it."
        )
    ap, dv, ml = map(rounded, first)  # a float32 header has 25.00000037 for 25
    return (ap, dv, ml), ""


def _same(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(abs(x - y) <= _SAME * abs(y) for x, y in zip(a, b, strict=True))


def frames_of(key: str, original: Original) -> list[Frame]:
    """The frames that an atlas's files bring: the world coordinates of a NIfTI volume (``KEY_world``)."""
    world = original.volume.world
    if world is not None and original.space.name == f"{key}_world":
        raise CcfError(f"The space of {key} cannot be called {key}_world: that is the frame of its volume.")
    return [] if world is None else [_world_frame(key, original, world)]


def _world_frame(key: str, original: Original, affine: tuple[float, ...]) -> Frame:
    """The world coordinates of a NIfTI volume: mm to the right, anterior, superior."""
    volume = original.volume
    # Of a float32 header: 7 digits, as of the edges.
    world = np.array([rounded(value) for value in affine]).reshape(3, 4)
    # Index of a voxel's centre → µm along AP, DV, ML from the corner.
    to_um = np.zeros((3, 4))
    for stored, direction in enumerate(original.axes):
        axis, forward = DIRECTIONS[direction]
        edge, n = original.grid.edges_um[axis], volume.shape[stored]
        to_um[axis, stored] = edge if forward else -edge
        to_um[axis, 3] = 0.5 * edge if forward else (n - 0.5) * edge
    from_world = np.linalg.inv(world[:, :3])
    linear = to_um[:, :3] @ from_world
    shift = to_um[:, 3] - linear @ world[:, 3]
    # Of right, anterior, superior: ap is anterior, dv superior, ml right. Axes are aligned: what is not one
    # of the three large factors is a rounding error.
    by_axis = linear[:, [1, 2, 0]]
    by_axis[np.abs(by_axis) < 1e-6 * np.abs(by_axis).max()] = 0.0
    rows = np.column_stack([by_axis, shift])
    return Frame(
        name=f"{key}_world",
        description=f"World coordinates of the volume of {key}: mm; x = ML to the right, y = AP to anterior, "
        "z = DV upwards, from the origin of its file",
        source=f"the affine of {volume.path.name}",
        unit="mm",
        xyz=("ml", "ap", "dv"),
        dv_from="bregma",
        coefficients=tuple(float(value) + 0.0 for value in rows.ravel()),
        space=original.space.name,
    )


def statement(entry: AtlasEntry, space: OwnSpace | None, checksums: Sequence[str | None]) -> str:
    """A digest of an atlas's files and of what the catalogue says of them; read anew if it changes."""
    of_entry = (entry.version, entry.axes, entry.edges_um, entry.grid, entry.space, entry.ontology == ALLEN)
    return hashlib.sha256(repr((_CONVERSION, of_entry, space, list(checksums))).encode()).hexdigest()


def recorded(key: str, original: Original) -> dict[str, Any]:
    """What is kept beside the volume that was made, as JSON has it."""
    return {
        "shape": original.grid.shape,
        "edges_um": original.grid.edges_um,
        "space": asdict(original.space),
        "frames": [asdict(frame) for frame in frames_of(key, original)],
        "notes": original.notes,
    }
