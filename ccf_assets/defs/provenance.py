"""What an asset was made from: data versions, the ontology's tag, and dependencies for order only.

Not here: the comparison of these with the present content (freshness).
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf.catalogue import AtlasEntry
from ccf_assets.ccf.ontology import read_structure_graph
from ccf_assets.db.ontologies import require_ontology
from ccf_assets.defs.resources import SourcesResource
from ccf_assets.errors import CcfError
from ccf_assets.sources.annotation import Annotation
from ccf_assets.sources.cache import FetchedFile
from ccf_assets.sources.source import Sources

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


_VOLUME = "ccf_assets/volume"
"""Tag of the asset annotation: what the volume is, cut as that of the ontology."""


def volume_tag(file: Annotation) -> dict[str, str]:
    """The tag that says which volume was checked: of one in another form, what it was made from."""
    return {_VOLUME: str(file.more.get("made_from", file.sha256))[:32]}


def checked_volume(instance: dg.DagsterInstance, sources: Sources, entry: AtlasEntry) -> Annotation:
    """The volume of an atlas that the asset annotation has checked, whichever host that was on.

    Raises:
        CcfError: what this host finds is another one; or as `Sources.annotation`.
    """
    file = sources.annotation(entry)
    wanted = latest(instance, dg.AssetKey("annotation"), entry.key)[0].get(_VOLUME)
    if wanted is None or entry.is_phantom or volume_tag(file)[_VOLUME] == wanted:
        return file
    file = sources.annotation(entry, refresh=True)
    if volume_tag(file)[_VOLUME] == wanted:
        return file
    raise CcfError(
        f"{entry.key}: what {socket.gethostname()} finds at {file.url} is not the volume that was checked. "
        "Materialise annotation again; if it stays so, the hosts do not see the same file."
    )


def latest(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None
) -> tuple[Mapping[str, str], str]:
    """Tags of the latest materialization and the id of its run; both empty when there is none."""
    partitions = None if partition is None else [partition]
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=partitions), limit=1
    ).records
    materialization = records[0].asset_materialization if records else None
    return (materialization.tags or {}, records[0].run_id) if materialization else ({}, "")


def after(asset: str) -> dg.AssetDep:
    """A dependency on ``asset`` for order only; see ORDER_ONLY."""
    return dg.AssetDep(asset, metadata={ORDER_ONLY: True})


def ontology_of(entry: AtlasEntry, sources: SourcesResource, engine: sa.Engine) -> pl.DataFrame:
    """The ontology in use for an atlas; see ontology.read_structure_graph."""
    return read_structure_graph(require_ontology(engine, sources.get(), entry).path)


def content_version(rows: pl.DataFrame) -> dg.DataVersion:
    """A data version that changes when, and only when, the rows do."""
    return dg.DataVersion(hashlib.sha256(rows.write_csv().encode()).hexdigest())
