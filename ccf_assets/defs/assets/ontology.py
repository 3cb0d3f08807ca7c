"""Group *ontology*: the structure graph and the tables made of it."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from ccf_assets.ccf import ontology
from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.db import schema
from ccf_assets.db.ontology_checks import ONTOLOGY_CHECKS, ontology_checks
from ccf_assets.defs.atlas_checks import check_result
from ccf_assets.defs.figures import depth_chart
from ccf_assets.defs.partitions import atlas_partitions
from ccf_assets.defs.provenance import after, content_version, ontology_tag
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.defs.table_metadata import OWNERS, table_metadata
from ccf_assets.errors import CcfError

GROUP = "ontology"

_REFERENCE = """\
A CSV with a header, one row per structure. Columns go by name; these are read, the others are not needed:

| column | becomes |
|---|---|
| `id` | `region_id` |
| `acronym` | `acronym` |
| `safe_name` | `region_name` |
| `name` | `full_name`; where there is none (before 2017) `safe_name` is |
| `color_hex_triplet` | `color_hex` |
| `graph_order` | `structure_order` |
| `parent_structure_id` | `parent_id`; blank for the root, which becomes its own parent |
| `depth` | `depth`, 0 for the root |
| `structure_id_path` | nothing; it must agree with the parents |
"""
"""The columns of the file, as `ontology.read_structure_graph` takes them."""


class RefreshConfig(dg.Config):
    """Whether a file that is already cached is fetched again."""

    refresh: bool = False


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"csv", "file"},
    code_version="1",
    metadata={"reference": dg.MetadataValue.md(_REFERENCE)},
    check_specs=[
        dg.AssetCheckSpec(name, asset="structure_graph", blocking=name != ontology.CASE_TWINS)
        for name in ONTOLOGY_CHECKS
    ],
)
def structure_graph(
    context: dg.AssetExecutionContext,
    config: RefreshConfig,
    sources: SourcesResource,
    postgres: PostgresResource,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The CCF's ontology as the Allen Institute publishes it: one CSV row per structure.

    Downloaded, checked, and only then put in the place of the copy in use: a file that fails a check, or
    that lacks a region whose voxels are loaded, leaves everything as it was. Its data version is the hash of
    its content, so a refresh that brings the same file causes no work downstream.
    """
    files = sources.get()
    candidate = files.structure_graph(refresh=config.refresh, report=context.log.info)
    checks, graph = ontology_checks(candidate.path, postgres.create_engine(), phantom=files.is_phantom)
    yield from map(check_result, checks)
    failed = [check.sentence for check in checks if not check.passed]
    if failed:
        raise CcfError(f"The ontology from {candidate.url} was not taken. {' '.join(failed)}")
    accepted = files.accept_structure_graph(candidate)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(accepted.sha256),
        metadata={
            "source": dg.MetadataValue.url(accepted.url),
            "sha256": accepted.sha256,
            "bytes": accepted.size_bytes,
            "structures": graph.height,
            "fetched": accepted.fetched,
            "preview": dg.MetadataValue.table(
                [dg.TableRecord(row) for row in graph.drop("parent_id").head(5).iter_rows(named=True)]
            ),
        },
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[structure_graph, after("atlas")],
    metadata=table_metadata(schema.brain_region),
)
def brain_region(
    context: dg.AssetExecutionContext, sources: SourcesResource
) -> dg.MaterializeResult[pl.DataFrame]:
    """The structures of the ontology: id, acronym, names, Allen colour, order."""
    entry = atlas_entry(context.partition_key)
    file = sources.get().ontology(entry)
    rows = ontology.brain_region_rows(ontology.read_structure_graph(file.path), entry.ccf_id)
    return dg.MaterializeResult(value=rows, data_version=content_version(rows), tags=ontology_tag(file))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[structure_graph, after("brain_region")],
    metadata=table_metadata(schema.region_parent),
)
def region_parent(
    context: dg.AssetExecutionContext, sources: SourcesResource
) -> dg.MaterializeResult[pl.DataFrame]:
    """Each structure's parent and depth; the root is its own parent, at depth 0."""
    entry = atlas_entry(context.partition_key)
    file = sources.get().ontology(entry)
    rows = ontology.region_parent_rows(ontology.read_structure_graph(file.path), entry.ccf_id)
    return dg.MaterializeResult(
        value=rows,
        data_version=content_version(rows),
        tags=ontology_tag(file),
        metadata=depth_chart(context.log, rows),
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="1",
    partitions_def=atlas_partitions,
    metadata=table_metadata(schema.region_ancestor),
)
def region_ancestor(region_parent: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """Each structure with itself and everything that contains it.

    One join makes any question "in VISp or anything inside it": ``region_id`` in rows whose ``ancestor_id``
    is VISp. VISp itself owns no voxel, only its layers do.
    """
    rows = ontology.region_ancestor_rows(region_parent)
    return dg.MaterializeResult(value=rows, data_version=content_version(rows))
