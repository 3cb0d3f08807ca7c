"""What an asset was made from: data versions, the ontology's tag, and dependencies for order only.

Not here: the comparison of these with the present content (freshness).
"""

from __future__ import annotations

import hashlib

import dagster as dg
import polars as pl

from ccf_assets.ccf.catalogue import AtlasEntry
from ccf_assets.ccf.ontology import read_structure_graph
from ccf_assets.defs.resources import SourcesResource
from ccf_assets.sources.cache import FetchedFile

ORDER_ONLY = "order_only"
"""Metadata of a dependency that must be loaded first but whose content does not matter.

A foreign key is an example: voxels need rows for their regions, and do not change when a region is renamed.
"""

MADE_OF = "ccf_assets/ontology"
"""Tag of the assets made from the ontology, with its checksum. The asset structure_graph is the ontology that
was refreshed last, whatever its source; each atlas is made from the ontology of its own source."""


def ontology_tag(file: FetchedFile) -> dict[str, str]:
    """The tag MADE_OF; the checksum is cut because a tag's value has at most 63 characters."""
    return {MADE_OF: file.sha256[:32]}


def after(asset: str) -> dg.AssetDep:
    """A dependency on ``asset`` for order only; see ORDER_ONLY."""
    return dg.AssetDep(asset, metadata={ORDER_ONLY: True})


def ontology_of(entry: AtlasEntry, sources: SourcesResource) -> pl.DataFrame:
    """The ontology in use for an atlas; see ontology.read_structure_graph."""
    return read_structure_graph(sources.get().ontology(entry).path)


def content_version(rows: pl.DataFrame) -> dg.DataVersion:
    """A data version that changes when, and only when, the rows do."""
    return dg.DataVersion(hashlib.sha256(rows.write_csv().encode()).hexdigest())
