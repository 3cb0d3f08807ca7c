"""Accepted ontologies in the database: kept by the host that accepts one, and used by every host.

A host's cache follows what is kept here, so that no run is made of an older ontology, or of none, because
another host fetched the new one. Whether an ontology is good is decided before it is accepted
(ontology_checks).
"""

from __future__ import annotations

import sqlalchemy as sa

from ccf_assets.ccf.catalogue import AtlasEntry
from ccf_assets.db.schema import shared_file
from ccf_assets.db.shared_files import keep, place_of, shared_files
from ccf_assets.sources.cache import FetchedFile
from ccf_assets.sources.source import Sources

_KIND = "ontology"


def keep_ontology(
    engine: sa.Engine, sources: Sources, file: FetchedFile, entry: AtlasEntry | None = None
) -> None:
    """Keep an ontology that this host has accepted, in the place of the one that was in use.

    Args:
        engine: the database.
        sources: whose ontology it is.
        file: the ontology.
        entry: an atlas of that source, or with an ontology of its own; None for the source itself.
    """
    if not _is_computed(sources, entry):
        with engine.begin() as connection:
            name = sources.ontology_name(entry)
            keep(connection, _KIND, name, file.path.read_bytes(), place_of(file.url))


def follow_ontology(
    engine: sa.Engine, sources: Sources, entry: AtlasEntry | None = None
) -> FetchedFile | None:
    """Bring the cache of this host to the ontology in use; what it has, and no host keeps yet, is kept.

    Args:
        engine: the database.
        sources: where files come from, with their cache.
        entry: as for `keep_ontology`.

    Returns:
        The accepted ontology, whichever host accepted it; None if none has yet.

    Raises:
        CcfError: CCF_SOURCE has no ontology of this atlas, or names a folder that is not there.
    """
    cached = sources.accepted_ontology(entry)
    if _is_computed(sources, entry):
        return cached
    name, t = sources.ontology_name(entry), shared_file.c
    with engine.connect() as connection:
        kept = connection.scalar(sa.select(t.sha256).where(t.kind == _KIND, t.name == name))
        if kept is not None and (cached is None or cached.sha256 != kept):
            (file,) = shared_files(connection, _KIND, name)
            return sources.take_ontology(file.content, file.came_from, entry)
    if kept is None and cached is not None:
        keep_ontology(engine, sources, cached, entry)
    return cached


def require_ontology(engine: sa.Engine, sources: Sources, entry: AtlasEntry) -> FetchedFile:
    """As `follow_ontology`, where there must be one.

    Raises:
        CcfError: as `follow_ontology`; or none has been accepted yet.
    """
    return follow_ontology(engine, sources, entry) or sources.ontology(entry)  # which says what is missing


def _is_computed(sources: Sources, entry: AtlasEntry | None) -> bool:
    """Whether it is the phantom's, which every host computes for itself."""
    return entry.is_phantom if entry else sources.is_phantom
