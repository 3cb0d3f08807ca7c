"""Group *files*: the ontology and the annotation volumes, fetched and checked before anything uses them.

Not here: the tables that are made from them (regions, voxels), and how a file is fetched (sources).
"""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf import ontology, runs
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry
from ccf_assets.ccf.file_checks import ANNOTATION_CHECKS, annotation_checks
from ccf_assets.db.ontologies import follow_ontology, keep_ontology
from ccf_assets.db.ontology_checks import ONTOLOGY_CHECKS, ontology_checks, painted_regions_kept
from ccf_assets.db.own_catalogue import note_read
from ccf_assets.defs import found
from ccf_assets.defs.atlas_checks import check_result
from ccf_assets.defs.partitions import atlas_partitions
from ccf_assets.defs.provenance import after, ontology_of, volume_tag
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.defs.table_metadata import OWNERS
from ccf_assets.errors import CcfError
from ccf_assets.refusals import in_words

GROUP = "files"

_ONTOLOGY_FILE = """\
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
"""The columns of the file, as `ccf.ontology.read_structure_graph` reads them."""

_VOLUME_FILE = """\
A NRRD file: one number per voxel, the id of its region, 0 outside the brain.

| header | must be |
|---|---|
| `type`, `endian` | unsigned 32-bit integers, little endian: ids go beyond 600 million |
| `encoding` | gzip |
| `sizes` | voxels along AP, DV, ML, as the catalogue has them; AP is fastest on disk |
| `space directions` | the edge of a voxel in µm, along each axis |
| `space` | not read: it is left-posterior-superior, but the axes run to posterior, inferior, right |
"""
"""What the file must have, as `ccf.nrrd.header_problems` checks it."""

LARGEST = 10
"""Number of regions in the preview of a volume."""


class RefreshConfig(dg.Config):
    """Whether a file that is in the cache is fetched again."""

    refresh: bool = False


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"csv", "file"},
    code_version="1",
    metadata={"reference": dg.MetadataValue.md(_ONTOLOGY_FILE)},
    # The schedule weekly_ontology_refresh fetches it every seven days.
    freshness_policy=dg.FreshnessPolicy.time_window(
        warn_window=timedelta(days=8), fail_window=timedelta(days=15)
    ),
    check_specs=[
        dg.AssetCheckSpec(
            name, asset="structure_graph", blocking=name != ontology.CASE_TWINS, description=about
        )
        for name, about in ONTOLOGY_CHECKS.items()
    ],
)
@in_words
def structure_graph(
    context: dg.AssetExecutionContext,
    config: RefreshConfig,
    sources: SourcesResource,
    postgres: PostgresResource,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The CCF's ontology as the Allen Institute publishes it: one CSV row per structure.

    It is downloaded, checked, and only then replaces the copy in use. A file that fails a check, or lacks a
    region whose voxels are loaded, is refused, and everything stays as it was. The data version is the hash
    of the content, so that a refresh that brings the same file causes no work downstream.
    """
    files, engine = sources.get(), postgres.create_engine()
    follow_ontology(engine, files)
    candidate = files.structure_graph(refresh=config.refresh, report=context.log.info)
    checks, graph = ontology_checks(candidate.path, engine, phantom=files.is_phantom)
    yield from map(check_result, checks)
    failed = [check.sentence for check in checks if not check.passed]
    if failed:
        raise CcfError(f"The ontology from {candidate.url} was refused. {' '.join(failed)}")
    accepted = files.accept_structure_graph(candidate)
    keep_ontology(engine, files, accepted)
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
    kinds={"nrrd", "file"},
    code_version="1",
    partitions_def=atlas_partitions,
    metadata={"reference": dg.MetadataValue.md(_VOLUME_FILE)},
    deps=[after("structure_graph")],
    check_specs=[
        dg.AssetCheckSpec(name, asset="annotation", blocking=True, description=about)
        for name, about in ANNOTATION_CHECKS.items()
    ],
)
@in_words
def annotation(
    context: dg.AssetExecutionContext,
    config: RefreshConfig,
    sources: SourcesResource,
    postgres: PostgresResource,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The annotation volume: a NRRD file with the region id of every voxel.

    Before anything uses the file, its checksum is verified if the catalogue pins one, its header is compared
    with the catalogue, and every id in it with the ontology. The volume of a lab's own atlas is read in the
    form that it has, and made into such a file; so is its own ontology, which is checked first.
    """
    entry, files, engine = atlas_entry(context.partition_key), sources.get(), postgres.create_engine()
    with files.new_annotation(entry, refresh=config.refresh, report=context.log.info) as file:
        if file.warning:
            context.log.warning(file.warning)
        started = time.monotonic()
        own = file.own_ontology
        if own is None:
            graph = ontology_of(entry, sources, engine)
        else:
            graph = own_structure_graph(entry, own.path, engine)
        surface = runs.Surface()
        checks, sides = annotation_checks(
            file.path, entry, file.grid, graph, context.log.info, surface.passing
        )
        yield from map(check_result, checks)
        failed = [check.sentence for check in checks if not check.passed]
        if failed:
            raise CcfError(f"The volume from {file.url} was refused. {' '.join(failed)}")
        read_seconds = round(time.monotonic() - started, 2)
    found.voxel_counts.keep(file, sides)
    found.surface.keep(file, surface.columns(file.grid))
    counts = sides.both
    if own is not None:
        keep_ontology(engine, files, files.ontology(entry), entry)
    note_read(engine, files, entry)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(file.version),
        tags=volume_tag(file),
        metadata={
            "source": dg.MetadataValue.url(file.url),
            "sha256": file.original_sha256,
            "bytes": file.size_bytes,
            "fetched": file.fetched,
            "space": file.space.name,
            **({"notes": dg.MetadataValue.md("\n".join(f"- {n}" for n in file.notes))} if file.notes else {}),
            "in_brain_voxels": sum(counts.values()),
            "regions_with_voxels": len(counts),
            "shape_ap_dv_ml": str(file.grid.shape),
            "resolution_um": file.grid.resolution_um,
            "read_seconds": read_seconds,
            "preview": _largest_regions(counts, graph),
        },
    )


def own_structure_graph(entry: AtlasEntry, path: Path, engine: sa.Engine) -> pl.DataFrame:
    """The ontology of a lab's own atlas, made into the official form.

    Raises:
        CcfError: it is not consistent, or lacks a region that owns voxels of the atlas as it is loaded.
    """
    graph = ontology.read_structure_graph(path)
    kept = painted_regions_kept(graph, engine, [entry.ccf_id], "Before this load, drop")
    checks = [*ontology.check_structure_graph(graph), kept]
    failed = [each.sentence for each in checks if not each.passed]
    if failed:
        raise CcfError(f"The ontology of {entry.key} was refused. {' '.join(failed)}")
    return graph


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
