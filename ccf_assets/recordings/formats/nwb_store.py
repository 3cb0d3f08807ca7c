"""What an NWB file is to its reader: groups with columns and attributes, in HDF5 or in a folder of Zarr.

Whatever a store holds, reading it stays within the limits here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import polars as pl

from ccf_assets.errors import CcfError

MOST_BYTES = 100_000_000
"""Bytes of one column unpacked: that many rows of numbers as a file may have."""

MOST_CHUNK_BYTES = 1 << 25
"""Bytes of one chunk unpacked. Columns of tables have chunks of some kilobytes."""

MOST_CHUNKS = 100_000
"""Chunks of a column: looking at each takes time, however small they are."""

MOST_MEMBERS = 10_000
"""Members of a group that is listed: the columns of a table, or the tables of general/localization."""

MOST_LINKS = 16
"""Links on the way to one object; two that lead to each other never end."""

SLACK = 1 << 16
"""Bytes that a chunk may be longer packed than unpacked."""


class Group(Protocol):
    """A group of an NWB file, or a table, whose members are its columns."""

    @property
    def path(self) -> str:
        """Where it is in the file, for sentences: ``/general/localization``; empty for the file itself."""

    def names(self) -> Sequence[str]:
        """The names of its members, sorted."""

    def group(self, name: str) -> Group | None:
        """A member that is a group, or a link to one within the file; None if there is none."""

    def attribute(self, name: str) -> str:
        """An attribute that is a text; empty if there is none."""

    def column(self, name: str) -> pl.Series | None:
        """A member that is one row of numbers or texts; None if there is none, or it is something else."""

    def text(self, name: str) -> str:
        """A member that is a single text; empty if there is none."""

    def table_of(self, name: str) -> str:
        """The path of the table whose rows a column refers to; empty if it does not say."""


def at(group: Group, path: str) -> Group | None:
    """The group at a path below another one."""
    found: Group | None = group
    for name in path.split("/"):
        found = found.group(name) if found else None
    return found


def refused(file: Path, what: str) -> CcfError:
    """The error for a file that is not read for a reason: ``FILE: WHAT.``."""
    return CcfError(f"{file}: {what}.")


def damaged(file: Path, why: str) -> CcfError:
    """The error for a file that contradicts itself."""
    return refused(file, f"it is damaged, or not a whole NWB file ({why:.200}); copy or write it again")
