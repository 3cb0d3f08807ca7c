"""Tables of sites with one row per site: CSV, also separated by tabs or packed with gzip, and Parquet.

What their columns mean is in recordings.files.columns, or in known_columns for those that a tool names.
"""

from __future__ import annotations

from collections.abc import Iterator

from isal import igzip

from ccf_assets.ccf.volumes.volume import NOT_GZIP
from ccf_assets.errors import CcfError, why
from ccf_assets.recordings.files.csv_table import read_csv
from ccf_assets.recordings.files.parquet_table import read_parquet
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import LARGEST_BYTES, Table

_PARQUET = (".parquet", ".pqt")
_PACKED = (".csv.gz", ".tsv.gz")
_SUFFIXES = (".csv", ".tsv", *_PACKED, *_PARQUET)


def find(listing: Listing) -> Iterator[Found]:
    """Every file with the ending of a table."""
    return (Found(name) for name in listing.files if name.lower().endswith(_SUFFIXES))


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
