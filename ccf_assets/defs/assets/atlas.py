"""Group *atlas*: the annotation volume and the tables made of it."""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import sqlalchemy as sa

from ccf_assets.ccf import nrrd, runs
from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.file_checks import ANNOTATION_CHECKS, annotation_checks
from ccf_assets.db import region_volumes, schema
from ccf_assets.defs.assets.ontology import RefreshConfig
from ccf_assets.defs.atlas_checks import check_result
from ccf_assets.defs.figures import planes_of_runs
from ccf_assets.defs.partitions import atlas_partitions
from ccf_assets.defs.provenance import after, content_version, ontology_of
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.defs.table_metadata import BULK_LOAD_POOL, OWNERS, table_metadata
from ccf_assets.errors import CcfError
from ccf_assets.pg.arrow import read_arrow
from ccf_assets.pg.bring import Stream

GROUP = "atlas"

_REFERENCE = """\
A NRRD file: one number per voxel, the id of its region, 0 outside the brain.

| header | must be |
|---|---|
| `type`, `endian` | unsigned 32-bit integers, little endian: ids go beyond 600 million |
| `encoding` | gzip |
| `sizes` | voxels along AP, DV, ML, as the catalogue has them; AP is fastest on disk |
| `space directions` | the edge of a voxel in µm, along each axis |
| `space` | not looked at: it says left-posterior-superior, and the axes run to posterior, inferior, right |
"""
"""What is in the file, as `volume.header_problems` demands it."""

LARGEST = 10
"""Regions in the preview of a volume."""


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"nrrd", "file"},
    code_version="1",
    partitions_def=atlas_partitions,
    metadata={"reference": dg.MetadataValue.md(_REFERENCE)},
    deps=[after("structure_graph")],
    check_specs=[dg.AssetCheckSpec(name, asset="annotation", blocking=True) for name in ANNOTATION_CHECKS],
)
def annotation(
    context: dg.AssetExecutionContext, config: RefreshConfig, sources: SourcesResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The annotation volume: a NRRD file with the region id of every voxel.

    Its checksum is verified where the catalogue pins one, its header against the catalogue, and every id in
    it against the ontology, before anything is built on it.
    """
    entry = atlas_entry(context.partition_key)
    with sources.get().new_annotation(entry, refresh=config.refresh, report=context.log.info) as file:
        if file.warning:
            context.log.warning(file.warning)
        started = time.monotonic()
        graph = ontology_of(entry, sources)
        checks, counts = annotation_checks(file.path, entry, graph, context.log.info)
        yield from map(check_result, checks)
        failed = [check.sentence for check in checks if not check.passed]
        if failed:
            raise CcfError(f"The volume from {file.url} was not taken. {' '.join(failed)}")
        read_seconds = round(time.monotonic() - started, 2)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(file.sha256),
        metadata={
            "source": dg.MetadataValue.url(file.url),
            "sha256": file.sha256,
            "bytes": file.size_bytes,
            "fetched": file.fetched,
            "in_brain_voxels": sum(counts.values()),
            "regions_with_voxels": len(counts),
            "shape_ap_dv_ml": str(entry.shape),
            "resolution_um": entry.resolution_um,
            "read_seconds": read_seconds,
            "preview": _largest_regions(counts, graph),
        },
    )


def _largest_regions(counts: Mapping[int, int], graph: pl.DataFrame) -> dg.TableMetadataValue:
    """The regions with the most voxels of their own.

    Args:
        counts: voxels by region id.
        graph: the ontology, as `ontology.read_structure_graph` gives it.
    """
    names = graph.select("region_id", "acronym", "full_name")
    voxels = pl.DataFrame({"region_id": list(counts), "own_voxels": list(counts.values())})
    rows = names.join(voxels, on="region_id").sort("own_voxels", descending=True).head(LARGEST)
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows.iter_rows(named=True)])


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[annotation],
    metadata=table_metadata(schema.atlas),
)
def atlas(context: dg.AssetExecutionContext, sources: SourcesResource) -> dg.MaterializeResult[pl.DataFrame]:
    """One row per atlas: its version, resolution and grid, and the file it was loaded from."""
    entry = atlas_entry(context.partition_key)
    file = sources.get().annotation(entry)
    shape_ap, shape_dv, shape_ml = entry.shape
    rows = pl.DataFrame(
        {
            "ccf_id": entry.ccf_id,
            "key": entry.key,
            "ccf_version": entry.version,
            "ccf_resolution": float(entry.resolution_um),
            "ccf_description": entry.description,
            "shape_ap": shape_ap,
            "shape_dv": shape_dv,
            "shape_ml": shape_ml,
            "source_url": file.url,
            "sha256": file.sha256,
        }
    )
    return dg.MaterializeResult(value=rows, data_version=content_version(rows))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "numpy"},
    code_version="1",
    pool=BULK_LOAD_POOL,
    partitions_def=atlas_partitions,
    deps=[annotation, after("brain_region")],
    metadata=table_metadata(schema.voxel_run),
)
def voxel_run(context: dg.AssetExecutionContext, sources: SourcesResource) -> dg.MaterializeResult[Stream]:
    """The whole annotation, exactly, as runs of equal voxels along the medio-lateral axis.

    A brain is made of large regions, so a run stands for a dozen voxels at 25 µm: the same answers from a
    tenth of the rows. The region at a point is the last run with the point's (x, y) and z <= the point's,
    if it ends behind the point.
    """
    entry = atlas_entry(context.partition_key)
    file = sources.get().annotation(entry)
    started = time.monotonic()
    of_voxels = runs.find_runs(nrrd.planes(file.path, entry, context.log.info))
    read_seconds = round(time.monotonic() - started, 2)

    # Three pictures take a second, in which the server is busy with the keys.
    pictures = partial(planes_of_runs, context.log, of_voxels, entry, lambda: ontology_of(entry, sources))
    return dg.MaterializeResult(
        value=Stream(runs.run_batches(of_voxels, entry), pictures),
        data_version=dg.DataVersion(file.sha256),
        metadata={"runs": len(of_voxels), "read_seconds": read_seconds},
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "numpy"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[annotation, after("atlas")],
    metadata=table_metadata(schema.brain_surface),
)
def brain_surface(
    context: dg.AssetExecutionContext, sources: SourcesResource
) -> dg.MaterializeResult[pl.DataFrame]:
    """The top of the brain above every point: what "depth from the brain surface" is measured from."""
    entry = atlas_entry(context.partition_key)
    file = sources.get().annotation(entry)
    columns = runs.brain_surface(nrrd.planes(file.path, entry, context.log.info), entry.resolution_um)
    rows = pl.DataFrame(columns).select(pl.lit(entry.ccf_id, pl.Int32).alias("ccf_id"), pl.all())
    return dg.MaterializeResult(value=rows, data_version=dg.DataVersion(file.sha256))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "sql"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[after("brain_region")],
    metadata=table_metadata(schema.region_volume),
)
def region_volume(
    context: dg.AssetExecutionContext,
    voxel_run: sa.Select[Any],
    region_ancestor: sa.Select[Any],
) -> sa.Select[Any]:
    """How large every structure is, with all inside it and by itself: voxels, mm³, centroid, bounding box.

    For the left and the right hemisphere and both. Structures without a voxel are there too, with zero.
    """
    entry = atlas_entry(context.partition_key)
    return region_volumes.region_volumes(voxel_run, region_ancestor, entry.resolution_um)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "numpy"},
    code_version="1",
    pool=BULK_LOAD_POOL,
    partitions_def=atlas_partitions,
    metadata=table_metadata(schema.voxel),
)
def voxel(
    context: dg.AssetExecutionContext, postgres: PostgresResource, voxel_run: sa.Select[Any]
) -> dg.MaterializeResult[pa.RecordBatchReader]:
    """One row per in-brain voxel, for SQL that wants it; nothing else here needs it.

    Expanded from voxel_run. At 25 µm it is 32 million rows and 3 GB; load it on request.
    """
    edge = atlas_entry(context.partition_key).resolution_um
    engine, run = postgres.create_engine(), voxel_run.subquery().c
    with engine.connect() as connection:
        count = connection.scalar(sa.select(sa.func.sum(run.z_end - run.z) / edge))
    rows = runs.voxel_batches(read_arrow(engine.url, voxel_run), edge, int(count or 0))
    return dg.MaterializeResult(value=rows)
