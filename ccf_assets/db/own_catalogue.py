"""A lab's own catalogue of atlases in the database: kept by whoever asks for work, known to every run.

So a run may be on a host without that file; the volume that an entry names must be where the entry says, on
that host too. What an atlas was last read from is kept here as well: another host than the one that read it
asks whether that has changed.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.ccf.catalogue import AtlasEntry, OwnSpace, own_catalogue, take_kept
from ccf_assets.db.shared_files import keep, keep_own, place_of, shared_files
from ccf_assets.files import without_secrets
from ccf_assets.sources.source import Sources

_ENTRY, _READ = "atlas", "atlas_read"


def keep_catalogue(engine: sa.Engine, *, take_over: bool = False) -> None:
    """Keep the entries of this host's own catalogue, and know all that are kept.

    An entry whose address holds a password stays on this host alone: many may read the database.

    Args:
        engine: the database.
        take_over: what this host says of a key counts, whatever another host has said.

    Raises:
        CcfError: another host has another atlas of this key.
    """
    path, known = settings.atlases_file(), own_catalogue()
    place = place_of(path)
    own = {
        key: ({"entry": asdict(entry), "space": asdict(space) if space else None})
        for key, entry in known.entries.items()
        if entry.own and not _has_secret(entry)
        for space in [known.spaces.get(entry.space)]
    }
    files = {key: (json.dumps(said).encode(), place) for key, said in own.items()}
    # A file that is not there, or has an entry that cannot be read, does not say that an entry is gone.
    whole = path.is_file() and not known.problems
    with engine.begin() as connection:
        keep_own(connection, _ENTRY, "The atlas", files, [place] if whole else [], take_over=take_over)
    follow_catalogue(engine)


def _has_secret(entry: AtlasEntry) -> bool:
    return any(without_secrets(place) != place for place in (entry.annotation, entry.ontology))


def follow_catalogue(engine: sa.Engine) -> None:
    """Know in this process the entries that the database keeps, as `ccf.catalogue.catalogue` gives them."""
    entries, spaces = {}, {}
    with engine.connect() as connection:
        kept = shared_files(connection, _ENTRY)
    for each in kept:
        said = json.loads(each.content)
        fields = said["entry"]
        for name in ("axes", "edges_um"):
            fields[name] = fields[name] and tuple(fields[name])
        entries[each.name] = AtlasEntry(**fields)
        if said["space"]:
            spaces[fields["space"]] = OwnSpace(**said["space"])
    take_kept(entries, spaces)


def note_read(engine: sa.Engine, sources: Sources, entry: AtlasEntry) -> None:
    """Keep what an atlas in another form than the official ones was made from, once that has been checked."""
    if not entry.is_canonical:
        from ccf_assets.sources.own_files import seen_now

        said = json.dumps(seen_now(entry)).encode()
        with engine.begin() as connection:
            keep(connection, _READ, entry.key, said, place_of(str(sources.own_folder(entry))))


def is_current(engine: sa.Engine, sources: Sources, entry: AtlasEntry) -> bool:
    """Whether an atlas was last read from its entry and its files as they are now, on whatever host.

    Of files that another host has read the sizes are compared, since a copy has other dates; those that are
    not on this host are taken to be as they were: that host sees them.
    """
    if entry.is_canonical:
        return True
    from ccf_assets.sources.own_files import is_current as as_this_host_read_it
    from ccf_assets.sources.own_files import missing_here, seen_now

    with engine.connect() as connection:
        kept = shared_files(connection, _READ, entry.key)
    if not kept:
        return as_this_host_read_it(sources, entry)
    seen, now = json.loads(kept[0].content), seen_now(entry)
    compared = ["entry", "files"]
    if not kept[0].is_of_this_host:
        compared = ["entry"] if missing_here(entry) else ["entry", "sizes"]
    return bool(all(seen.get(name) == now[name] for name in compared))
