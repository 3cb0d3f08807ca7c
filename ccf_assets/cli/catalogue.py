"""The command catalogue: which atlases can be loaded, and what the files of a lab's own are.

Not here: the catalogue itself (ccf.catalogue, ccf.own_atlases), and how files are read (sources.converted).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccf_assets.ccf.catalogue import ALLEN, AtlasEntry, Catalogue, catalogue, catalogue_file
from ccf_assets.ccf.space import ALLEN_CCF
from ccf_assets.cli.commands import command
from ccf_assets.cli.options import CsvOption, JsonOption, answer, say
from ccf_assets.cli.tables import Column, show
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted, listed

if TYPE_CHECKING:
    from ccf_assets.sources.converted import Original
    from ccf_assets.sources.source import Sources

app = typer.Typer()

_CHECKED = (Column("atlas", "key"), Column("what", "key"), Column("found"))


@command(app, "Load", "catalogue")
def show_catalogue(
    check: Annotated[
        Path | None,
        typer.Option(
            "--check", help="A catalogue of your own atlases: say what the files of each are. Loads nothing."
        ),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The atlases that can be loaded: the built-in ones, and your own (CCF_ATLASES).

    Example: ccf-assets catalogue --check ~/atlases.toml
    """
    if check is not None:
        _check(check, as_json=as_json, as_csv=as_csv)
        return
    known = catalogue()
    if as_json:
        answer([entry.as_json() for entry in known.entries.values()])
    else:
        columns = (Column("atlas", "key"), Column("load"), Column("description"))
        rows = [(entry.key, _marks(entry), entry.description) for entry in known.entries.values()]
        show(columns, rows, as_csv=as_csv)
    for _, sentence in known.problems:
        say(sentence)


def _marks(entry: AtlasEntry) -> str:
    first = "phantom" if entry.is_phantom else "default" if entry.default else "own" if entry.own else ""
    return ", ".join(filter(None, [first, "voxel rows" if entry.voxel_rows else ""]))


def _check(path: Path, *, as_json: bool, as_csv: bool) -> None:
    """Say what the files of each atlas in a catalogue are, and what is wrong."""
    if not path.is_file():
        raise CcfError(f"{path} does not exist; it must be a TOML file of atlases, see docs/own_atlas.md.")
    known = catalogue_file(path)
    found = {key: dict(_looked_at(entry, known)) for key, entry in known.entries.items() if entry.own}
    for of, sentence in known.problems:
        found.setdefault(of or path.name, {})["problem"] = sentence
    if as_json:
        answer(found)
    else:
        rows = [(key, what, value) for key, parts in found.items() for what, value in parts.items()]
        show(_CHECKED, rows, as_csv=as_csv)
    wrong = [key for key, parts in found.items() if "problem" in parts]
    if wrong:
        say(f"{len(wrong)} of {counted(len(found), 'atlas', 'atlases')} cannot be loaded: {listed(wrong)}")
        raise typer.Exit(1)
    say(f"{counted(len(found), 'atlas', 'atlases')} can be loaded: ccf-assets load {' '.join(found)}")


def _looked_at(entry: AtlasEntry, known: Catalogue) -> Iterator[tuple[str, str]]:
    """What an entry and its files say, name by name; the last is the problem, if there is one."""
    from ccf_assets.db import database
    from ccf_assets.db.spaces import number_taken
    from ccf_assets.sources.own_files import original as read_files
    from ccf_assets.sources.source import Sources

    yield "entry", f"ccf_id {entry.ccf_id}, {entry.version}"
    try:
        with database.create_engine().connect() as connection:
            if taken := number_taken(connection, entry.ccf_id, entry.key):
                raise CcfError(taken)
        sources = Sources.from_settings()
        original = read_files(sources, entry, known)
        yield from _said(entry.key, original)
        yield from _voxels(entry, original, sources)
        for number, note in enumerate(original.notes, 1):
            yield f"note {number}", note
    except CcfError as error:
        yield "problem", str(error)


def _said(key: str, original: Original) -> Iterator[tuple[str, str]]:
    from ccf_assets.sources.converted import frames_of

    volume, grid, space = original.volume, original.grid, original.space
    stored = " × ".join(f"{n:,}" for n in volume.shape)
    yield "annotation", f"{volume.path}: {volume.form}, {volume.dtype.name}, stored as {stored} voxels"
    yield "axes", f"stored axes run to {', '.join(original.axes)} ({original.axes_from})"
    ap, dv, ml = grid.shape
    yield "grid", f"{ap:,} × {dv:,} × {ml:,} voxels along AP, DV, ML, each {grid.edges}"
    midline = "no midline" if space.midline_um is None else f"midline at {space.midline_um:g} µm"
    extent = " × ".join(f"{size:g}" for size in space.extent_um)
    yield "space", f"{space.name}, {space.species or 'species not said'}, {extent} µm, {midline}"
    frames = [frame.name for frame in frames_of(key, original)]
    if frames := [*([] if space.name == ALLEN_CCF.name else [space.name]), *frames]:
        yield "frames", ", ".join(frames)


def _voxels(entry: AtlasEntry, original: Original, sources: Sources) -> Iterator[tuple[str, str]]:
    """What the volume holds, which is read for it, and whether the ontology has it."""
    from ccf_assets.ccf import ontology, runs
    from ccf_assets.ccf.volumes.canonical import sagittal_planes

    if original.ontology is None:
        try:
            accepted = sources.ontology(entry)
        except CcfError:
            yield "ontology", "that of the Allen Institute, which is not here yet: its ids are not compared"
            return
        graph, form = ontology.read_structure_graph(accepted.path), "that of the Allen Institute"
    else:
        graph, form = original.ontology.graph, original.ontology.form
        failed = [each.sentence for each in ontology.check_structure_graph(graph) if not each.passed]
        if failed:
            raise CcfError(" ".join(failed))
    yield "ontology", f"{form}, {counted(graph.height, 'structure')}"
    scratch = sources.own_folder(entry)  # not /tmp, which may be memory: 4 bytes a voxel
    scratch.mkdir(parents=True, exist_ok=True)
    counts = runs.count_voxels(sagittal_planes(original.volume, original.axes, scratch))
    if not counts:
        raise CcfError("No voxel has an id, so there is no brain in it.")
    voxels = sum(counts.values())
    yield "ids", f"{len(counts):,} ids in {voxels:,} voxels, from {min(counts)} to {max(counts)}"
    if unknown := ontology.missing_regions(graph, set(counts)):
        named = listed([f"{i} ({counts[i]:,} voxels)" for i in unknown])
        where = "the Allen ontology" if entry.ontology == ALLEN else "its ontology"
        raise CcfError(f"{len(unknown)} ids are not in {where}: {named}; name the ontology that has them.")
