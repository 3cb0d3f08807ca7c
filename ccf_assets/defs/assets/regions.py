"""Group *regions*: the row of an atlas, its regions, their hierarchy, and the region sets that group them.

Not here: the files these are made from (files), and everything with a position in the volume (voxels).
"""

import functools
from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf import ontology, region_sets
from ccf_assets.ccf.catalogue import ALLEN, PHANTOM, atlas_entry, catalogue
from ccf_assets.db import schema
from ccf_assets.db.ontologies import require_ontology
from ccf_assets.db.region_maps import kept_maps
from ccf_assets.db.regions import no_such_region
from ccf_assets.db.spaces import AtlasIdentity, keep_space, number_taken
from ccf_assets.defs.assets.files import annotation, structure_graph
from ccf_assets.defs.atlas_checks import check_result, skippable_check
from ccf_assets.defs.figures import depth_chart
from ccf_assets.defs.partitions import atlas_partitions
from ccf_assets.defs.provenance import after, checked_volume, content_version, ontology_tag
from ccf_assets.defs.resources import PostgresResource, SourcesResource
from ccf_assets.defs.table_metadata import OWNERS, table_metadata
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding
from ccf_assets.refusals import in_words

GROUP = "regions"

_MAPS_TAKEN = "region_maps_taken"


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[annotation],
    metadata=table_metadata(schema.atlas),
)
@in_words
def atlas(
    context: dg.AssetExecutionContext, sources: SourcesResource, postgres: PostgresResource
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row per atlas: its version, resolution, grid and space, and the file it was loaded from.

    Its space (table reference_space) and the frames that its files bring are stored with it.
    """
    entry = atlas_entry(context.partition_key)
    file = checked_volume(context.instance, sources.get(), entry)
    stated = catalogue().spaces.get(entry.space)
    with postgres.create_engine().begin() as connection:
        if taken := number_taken(connection, entry.ccf_id, entry.key):
            raise CcfError(taken)
        identity = AtlasIdentity(entry.ccf_id, entry.key)
        keep_space(connection, identity, file.grid, file.space, file.frames, stated)
    grid = file.grid
    shape_ap, shape_dv, shape_ml = grid.shape
    edge_ap, edge_dv, edge_ml = grid.edges_um
    rows = pl.DataFrame(
        {
            "ccf_id": entry.ccf_id,
            "key": entry.key,
            "ccf_version": entry.version,
            "ccf_resolution": grid.resolution_um,
            "ccf_description": entry.described(grid),
            "shape_ap": shape_ap,
            "shape_dv": shape_dv,
            "shape_ml": shape_ml,
            "edge_ap": edge_ap,
            "edge_dv": edge_dv,
            "edge_ml": edge_ml,
            "space": entry.space,
            "source_url": file.url,
            "sha256": file.original_sha256,
        }
    )
    return dg.MaterializeResult(value=rows, data_version=content_version(rows))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "polars"},
    code_version="1",
    partitions_def=atlas_partitions,
    deps=[structure_graph, after("atlas")],
    metadata=table_metadata(schema.brain_region),
)
@in_words
def brain_region(
    context: dg.AssetExecutionContext, sources: SourcesResource, postgres: PostgresResource
) -> dg.MaterializeResult[pl.DataFrame]:
    """The structures of the ontology: id, acronym, names, Allen colour, order."""
    entry = atlas_entry(context.partition_key)
    file = require_ontology(postgres.create_engine(), sources.get(), entry)
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
@in_words
def region_parent(
    context: dg.AssetExecutionContext, sources: SourcesResource, postgres: PostgresResource
) -> dg.MaterializeResult[pl.DataFrame]:
    """Each structure's parent and depth; the root is its own parent, at depth 0."""
    entry = atlas_entry(context.partition_key)
    file = require_ontology(postgres.create_engine(), sources.get(), entry)
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
@in_words
def region_ancestor(region_parent: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """Each structure with itself and all its ancestors.

    With one join a query finds "VISp or anything inside it": the ``region_id`` of the rows whose
    ``ancestor_id`` is VISp. VISp has no voxels of its own; its layers have them.
    """
    rows = ontology.region_ancestor_rows(region_parent)
    return dg.MaterializeResult(value=rows, data_version=content_version(rows))


def _out(table: sa.Table, description: str) -> dg.AssetOut:
    return dg.AssetOut(
        description=description,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres", "polars"},
        code_version="1",
        metadata=table_metadata(table),
        dagster_type=pl.DataFrame,
        is_required=False,
    )


@dg.multi_asset(
    # In this order: members refer to their set.
    outs={
        "region_set": _out(
            schema.region_set,
            "The coarse maps of an atlas: a level of the hierarchy each, the summary structures, Beryl and "
            "Cosmos, and those in the folder of region sets (CCF_REGION_SETS).",
        ),
        "region_set_member": _out(
            schema.region_set_member,
            "The group of each region in each set.\n\nThe views region_set_volume, recording_site_group and "
            "sites_by_group count by group, and have a row for what is in no group.",
        ),
    },
    check_specs=[
        dg.AssetCheckSpec(
            _MAPS_TAKEN, asset="region_set", description="A lab's own region maps that were refused"
        )
    ],
    partitions_def=atlas_partitions,
    can_subset=True,
)
@in_words
def group_regions(
    context: dg.AssetExecutionContext,
    postgres: PostgresResource,
    brain_region: pl.DataFrame,
    region_ancestor: pl.DataFrame,
) -> Iterator[dg.MaterializeResult[pl.DataFrame] | dg.AssetCheckResult]:
    """Put the regions of an atlas into the groups of every map."""
    entry = atlas_entry(context.partition_key)
    unknown = functools.partial(no_such_region, postgres.create_engine(), entry.ccf_id)
    ontology = region_sets.Ontology.of_tables(brain_region, region_ancestor, unknown)
    files = kept_maps(postgres.create_engine())
    made = region_sets.region_sets(
        entry.ccf_id,
        ontology,
        files,
        of_allen=entry.ontology in (ALLEN, PHANTOM),
        only_one=all(each.ontology == ALLEN for each in catalogue().entries.values() if each.own),
    )
    for sentence in made.refused:
        context.log.warning(sentence)
    # If a file was refused, the next load reads all of them again and repeats the warning.
    digest = region_sets.digest({file.name: file.sha256 for file in files})
    tags = {} if made.refused else {region_sets.TAKEN: digest}
    for name, rows in (("region_set", made.sets), ("region_set_member", made.members)):
        if name in context.op_execution_context.selected_output_names:
            yield dg.MaterializeResult(
                asset_key=name, value=rows, data_version=content_version(rows), tags=tags
            )
    if context.selected_asset_check_keys and files:
        yield check_result(_maps_taken(made.refused, len(files)))


def _maps_taken(refused: Sequence[str], files: int) -> Finding:
    """A refused file does not stop the others, so the finding is a warning."""
    return Finding(
        _MAPS_TAKEN,
        blocking=False,
        passed=not refused,
        sentence="\n".join(refused) or f"{files} files of a lab's own maps, none refused.",
        numbers={"files": files, "files_refused": len(refused)},
    )


@skippable_check(
    "share_in_groups",
    "region_set",
    "The share of the brain that is in no group; a lab's own set without a voxel is a warning",
    additional_deps=["region_set_member", "region_volume"],
)
@in_words
def share_in_groups(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> Iterator[dg.AssetCheckResult]:
    """Report each set's share of voxels in no group: in the run's atlas, or the largest of all atlases."""
    shares = sa.text(
        "SELECT set_name, source, coalesce(max(share) FILTER (WHERE group_name IS NULL), 0) AS nothing "
        "FROM ccf.region_set_volume JOIN ccf.region_set USING (ccf_id, set_name) "
        "WHERE atlas = coalesce(:atlas, atlas) AND hemisphere = 'both' GROUP BY set_name, source ORDER BY 1"
    )
    atlas = context.run.tags.get("dagster/partition")
    with postgres.create_engine().connect() as connection:
        rows = connection.execute(shares, {"atlas": atlas}).all()
    if not rows:
        return
    # The built-in set depth_10 is empty rightly: no voxel is so deep in the hierarchy.
    empty = [row.set_name for row in rows if row.nothing == 1 and row.source != region_sets.BUILT_IN]
    yield check_result(
        Finding(
            "share_in_groups",
            blocking=False,
            passed=not empty,
            sentence=f"No voxel is in a group of {', '.join(empty)}; check the regions that it names."
            if empty
            else f"{len(rows)} sets; the numbers are the shares of the brain in none of their groups.",
            numbers={row.set_name: row.nothing for row in rows},
        )
    )
