"""Atlases in other forms than the official ones: their files found, made into the official form, and kept.

What the files and the catalogue say together is in converted, their forms are in ccf.volumes and
ccf.ontologies.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ccf_assets.ccf.catalogue import ALLEN, AtlasEntry, Catalogue, catalogue
from ccf_assets.ccf.ontologies.read import write_structure_graph
from ccf_assets.ccf.volumes.canonical import sagittal_planes, write_canonical
from ccf_assets.files import whole_file
from ccf_assets.sources.annotation import Annotation, fetched_file, unknown_checksum
from ccf_assets.sources.cache import FetchedFile, cached_file, exclusive, kept_record, sweep_candidates
from ccf_assets.sources.converted import Original, read_original, recorded, statement
from ccf_assets.sources.http import Report
from ccf_assets.sources.source import OWN_ONTOLOGY, Sources, silent

_VOLUME = "annotation.nrrd"
"""Name of the file that a volume in another form is made into, beside `OWN_ONTOLOGY`."""

_SEEN = "seen.json"
"""Beside them, of what they were last made, to be compared in a moment."""


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
        sweep_candidates(folder)
        volume, ontology = _files_of(sources, entry, refresh, report)
        checksums = [volume.sha256, ontology.sha256 if ontology else None]
        known = catalogue()
        made_from = statement(entry, known.spaces.get(entry.space), checksums)
        there = _cached_made(folder, report)
        if there and there.more["made_from"] == made_from:
            yield there
            _note_seen(sources, entry)
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
                kept_record(own, folder / OWN_ONTOLOGY)
            kept_record(fetched, target)
            _note_seen(sources, entry)
        finally:
            if own is not None:
                own.path.unlink(missing_ok=True)


def is_current(sources: Sources, entry: AtlasEntry) -> bool:
    """Whether an atlas was last read from its entry and its files as they are, by their dates and sizes."""
    try:
        seen = json.loads((sources.own_folder(entry) / _SEEN).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    now = seen_now(entry)
    return bool(all(seen.get(name) == now[name] for name in ("entry", "files")))


def _note_seen(sources: Sources, entry: AtlasEntry) -> None:
    with whole_file(sources.own_folder(entry) / _SEEN) as aside:
        aside.write_text(json.dumps(seen_now(entry)), "utf-8")


def missing_here(entry: AtlasEntry) -> bool:
    """Whether this host lacks a file or folder that the entry of an own atlas names."""
    places = [Path(place) for place in (entry.annotation, entry.ontology) if _is_a_path(entry, place)]
    return not all(place.exists() for place in places)


def _is_a_path(entry: AtlasEntry, place: str) -> bool:
    return entry.own and "://" not in place and place not in ("", ALLEN)


def seen_now(entry: AtlasEntry) -> dict[str, str]:
    """Digests of what the catalogue says of an atlas, of its files' dates and sizes, and of sizes alone."""
    files = []
    for place in (entry.annotation, entry.ontology):
        path = Path(place)
        if not _is_a_path(entry, place) or not path.exists():
            continue
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            stat = file.stat()
            files.append((str(file), stat.st_mtime_ns, stat.st_size))
    said = statement(entry, catalogue().spaces.get(entry.space), [entry.annotation, entry.ontology])
    sizes = [(file, size) for file, _, size in files]
    return {
        "entry": said,
        "files": hashlib.sha256(repr(files).encode()).hexdigest(),
        "sizes": hashlib.sha256(repr(sizes).encode()).hexdigest(),
    }


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
    own = cached_file(folder / OWN_ONTOLOGY, report) if volume.more["has_ontology"] else None
    return None if own is None and volume.more["has_ontology"] else Annotation.recorded(volume, own)
