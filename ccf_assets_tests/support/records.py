"""Dagster's records for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ccf_assets.ccf.catalogue import BUILT_IN
from ccf_assets.defs.partitions import add_atlases


@contextmanager
def new_records() -> Iterator[dg.DagsterInstance]:
    """Dagster's records, empty, with every atlas of the catalogue as a partition."""
    with dg.DagsterInstance.ephemeral() as instance:
        add_atlases(instance, dict.fromkeys(BUILT_IN, True))
        yield instance
