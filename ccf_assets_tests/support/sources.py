"""Sources of sites in a folder as formats find and read them: no scan, no settings files, no database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import HEAD_BYTES, Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table


def listing_of(folder: Path) -> Listing:
    """A folder as formats see it."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return Listing(
        folder,
        frozenset(entry.name for entry in entries if entry.is_file()),
        frozenset(entry.name for entry in entries if entry.is_dir()),
        lambda name, classify: classify((folder / name).read_bytes()[:HEAD_BYTES]),
    )


def found_by(form: SiteFormat, folder: Path) -> list[Found]:
    """What a format finds in a folder."""
    return list(form.find(listing_of(folder)))


def sources_of(form: SiteFormat, folder: Path, top: Path | None = None) -> Iterator[Source]:
    """The sources of a format in a folder and below."""
    top = top or folder
    for below in sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())]):
        for found in form.find(listing_of(below)):
            paths = (below / found.anchor, *(below / other for other in found.others))
            yield Source(paths[0].relative_to(top).as_posix(), paths)


def read_one(form: SiteFormat, folder: Path, top: Path | None = None, **settings: object) -> Table:
    """The table of the only source of a format in a folder; settings are those of `FileSettings`."""
    (source,) = sources_of(form, folder, top)
    return form.read(source, FileSettings(source.path.with_suffix(".toml"), **settings))  # type: ignore[arg-type]


def frame_of(table: Table) -> pl.DataFrame:
    """The columns of a table."""
    return pl.DataFrame(dict(table.columns))
