"""Atlases in other forms than the official ones: their files found, made into the official form, and kept.

What the files and the catalogue say together is in converted, their forms are in ccf.volumes and
ccf.ontologies.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ccf_assets.ccf.catalogue import ALLEN, AtlasEntry, Catalogue, catalogue
from ccf_assets.ccf.ontologies.read import write_structure_graph
from ccf_assets.ccf.volumes.canonical import sagittal_planes, write_canonical
from ccf_assets.errors import CcfError
from ccf_assets.sources.annotation import Annotation, fetched_file, unknown_checksum
from ccf_assets.sources.cache import FetchedFile, cached_file, exclusive, kept_record
from ccf_assets.sources.converted import Original, read_original, recorded, statement
from ccf_assets.sources.http import Report
from ccf_assets.sources.source import Sources, silent

_VOLUME, _ONTOLOGY = "annotation.nrrd", "structure_graph.csv"
"""Names of the files that a volume and an ontology in another form are made into."""


def original(sources: Sources, entry: AtlasEntry, known: Catalogue) -> Original:
    """The files of an atlas in another form than the official ones, before a voxel is read.

    Files at an address are fetched into the cache.

    Args:
        sources: where files come from.
        entry: the atlas.
        known: the catalogue that it is in, which may describe its space.

    Raises:
        CcfError: a file is missing or in no known form, or the catalogue and the files do not agree.
    """
    volume, ontology = _files_of(sources, entry, False, silent)
    return _read(entry, volume, ontology, known)


def made(sources: Sources, entry: AtlasEntry, report: Report) -> Annotation | None:
    """What a volume in another form was made into, if it is in the cache as it was made."""
    folder = sources.own_folder(entry)
    if not (folder / _VOLUME).is_file():
        return None
    with exclusive(folder / _VOLUME, report):
        return _cached_made(folder, report)


@contextmanager
def converted(sources: Sources, entry: AtlasEntry, *, refresh: bool, report: Report) -> Iterator[Annotation]:
    """A volume in another form, made into the official one, and its ontology with it."""
    folder = sources.own_folder(entry)
    target = folder / _VOLUME
    with exclusive(target, report) as partial:
        volume, ontology = _files_of(sources, entry, refresh, report)
        checksums = [volume.sha256, ontology.sha256 if ontology else None]
        known = catalogue()
        made_from = statement(entry, known.spaces.get(entry.space), checksums)
        there = _cached_made(folder, report)
        if there and there.more["made_from"] == made_from:
            yield there
            return
        original = _read(entry, volume, ontology, known)
        for note in original.notes:
            report(f"{entry.key}: {note}")
        planes = sagittal_planes(original.volume, original.axes, folder, report)
        write_canonical(planes, original.grid.shape, original.grid.edges_um, partial)
        own = None
        if original.ontology is not None:
            candidate = folder / f"candidate-{uuid.uuid4().hex}.csv"
            write_structure_graph(original.ontology.graph, candidate)
            own = fetched_file(candidate, ontology.url if ontology else volume.url)
        more = {
            "made_from": made_from,
            "has_ontology": own is not None,
            "original_sha256": volume.sha256,
            **recorded(entry.key, original),
        }
        warning = unknown_checksum(volume, entry)
        fetched = replace(fetched_file(partial, volume.url), more=more, warning=warning)
        try:
            yield Annotation.recorded(fetched, own)
            if own is not None:
                kept_record(own, folder / _ONTOLOGY)
            kept_record(fetched, target)
        finally:
            if own is not None:
                own.path.unlink(missing_ok=True)


def own_ontology(sources: Sources, entry: AtlasEntry) -> FetchedFile:
    """The ontology that an atlas's own was made into.

    Raises:
        CcfError: it has not been read yet.
    """
    target = sources.own_folder(entry) / _ONTOLOGY
    with exclusive(target, silent):
        accepted = cached_file(target, silent)
    if accepted is None:
        raise CcfError(f"The ontology of {entry.key} has not been read yet; materialise annotation first.")
    return accepted


def _files_of(
    sources: Sources, entry: AtlasEntry, refresh: bool, report: Report
) -> tuple[FetchedFile, FetchedFile | None]:
    """The volume and the ontology that an entry names, on this machine."""
    folder = sources.own_folder(entry)
    volume = sources.local_copy(entry, entry.annotation, folder, "annotation", refresh, report)
    if not entry.ontology or entry.ontology == ALLEN:
        return volume, None
    return volume, sources.local_copy(entry, entry.ontology, folder, "ontology", refresh, report)


def _read(entry: AtlasEntry, volume: FetchedFile, ontology: FetchedFile | None, known: Catalogue) -> Original:
    described = known.spaces.get(entry.space)
    return read_original(entry, volume.path, ontology.path if ontology else None, described)


def _cached_made(folder: Path, report: Report) -> Annotation | None:
    """The volume and the ontology that were made of other forms in a folder of the cache, if whole."""
    volume = cached_file(folder / _VOLUME, report)
    if volume is None or "made_from" not in volume.more:
        return None
    own = cached_file(folder / _ONTOLOGY, report) if volume.more["has_ontology"] else None
    return None if own is None and volume.more["has_ontology"] else Annotation.recorded(volume, own)
