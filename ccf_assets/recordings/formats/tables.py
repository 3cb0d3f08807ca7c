"""Tables of sites with one row per site: CSV, also separated by tabs or packed with gzip, and Parquet.

What their columns mean is in recordings.files.columns, or in known_columns for those that a tool names.
"""

from __future__ import annotations

from collections.abc import Iterator

from isal import igzip

from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.ccf.volumes.volume import NOT_GZIP
from ccf_assets.errors import CcfError, why
from ccf_assets.recordings.files.csv_table import read_csv
from ccf_assets.recordings.files.known_columns import preset_of
from ccf_assets.recordings.files.parquet_table import read_parquet
from ccf_assets.recordings.files.settings import FileSettings, stem_of
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import LARGEST_BYTES, Table
from ccf_assets.recordings.formats.not_sites import OF_SORTING

_PARQUET = (".parquet", ".pqt")
_PACKED = (".csv.gz", ".tsv.gz")
_SUFFIXES = (".csv", ".tsv", *_PACKED, *_PARQUET)


_CERTAIN = (".csv", ".csv.gz", ".parquet")
"""Endings of which every file is one of sites, or refused: so it was before there were other formats."""


def find(listing: Listing) -> Iterator[Found]:
    """The files with the ending of a table.

    A ``.tsv`` or ``.pqt`` is often something else, such as the clusters of a spike sorting. It is one of
    sites if it has settings of its own; or if a ``.tsv`` has columns of ours, or of `known_columns`; and a
    ``.pqt`` unless its name says what else it is.
    """
    for name in listing.files:
        ending = name.lower()
        if ending.endswith(_CERTAIN) or (
            ending.endswith(_SUFFIXES)
            and (
                f"{stem_of(name)}.toml" in listing.files
                or (ending.endswith(".pqt") and not OF_SORTING.fullmatch(name))
                or (ending.endswith(".tsv") and listing.look(name, _of_header))
            )
        ):
            yield Found(name)


def _of_header(head: bytes) -> str:
    """Whether the header of a table with tabs has columns that a table of sites has."""
    line = head.decode("utf-8-sig", "replace").partition("\n")[0]
    names = [name.strip() for name in line.split("\t")]
    ours = {"recording_id", "site_id", *AXES, *XYZ} & {name.lower() for name in names}
    return "sites" if ours or preset_of(names) else ""


def read(source: Source, settings: FileSettings) -> Table:
    """Read a table.

    Raises:
        CcfError: it cannot be read, or is too large.
    """
    path, name = source.path, source.path.name.lower()
    try:
        raw = _unpacked(source) if name.endswith(_PACKED) else path.read_bytes()
    except FileNotFoundError:
        raise CcfError(f"{path} no longer exists.") from None
    except OSError as error:
        raise CcfError(f"{path} cannot be read: {why(error)}.") from None
    if not raw:
        raise CcfError(f"{path} is empty.")
    return read_parquet(path, raw, settings) if name.endswith(_PARQUET) else read_csv(path, raw, settings)


def _unpacked(source: Source) -> bytes:
    """What is packed in a file of gzip, within the limit of one that is not."""
    try:
        with igzip.open(source.path) as file:
            raw = file.read(LARGEST_BYTES + 1)
    except NOT_GZIP as error:
        raise CcfError(f"{source.path} is not whole gzip ({error}); copy it again.") from None
    if len(raw) > LARGEST_BYTES:
        raise CcfError(f"{source.path} has more than {LARGEST_BYTES:,} bytes unpacked; divide it.")
    return bytes(raw)


FORMAT = SiteFormat("a table", _SUFFIXES, find, read, has_own_columns=True)
