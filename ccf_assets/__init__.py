"""The Allen Mouse Brain CCF in PostgreSQL, as Dagster assets; `Atlas` asks it in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccf_assets.query import Atlas

__all__ = ["Atlas"]


def __getattr__(name: str) -> object:
    # Imported when asked for: Dagster and every command import this package, and few of them need it.
    if name != "Atlas":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ccf_assets.query import Atlas

    return Atlas
