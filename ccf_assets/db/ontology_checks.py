"""Checks of a new ontology before it is used: it is consistent, and loaded voxels keep their regions.

The checks that need no database are in ccf.ontology.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl
import sqlalchemy as sa

from ccf_assets.ccf import ontology
from ccf_assets.ccf.catalogue import ALLEN, PHANTOM, catalogue
from ccf_assets.ccf.region_id import LARGEST_ID, source_id, table_number
from ccf_assets.db import schema
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding, Numbers

ONTOLOGY_CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "columns": "The file has every column that is needed, and every value can be read",
        **ontology.CHECKS,
        "painted_regions_kept": "The new ontology has every region that owns voxels of a loaded atlas",
    }
)
"""Name of each check of `ontology_checks` → what it looks at."""


def ontology_checks(path: Path, engine: sa.Engine, *, phantom: bool) -> tuple[list[Finding], pl.DataFrame]:
    """All checks of a new ontology: its own consistency, and that no loaded voxel loses its region.

    Args:
        path: the CSV.
        engine: the database with the atlases that are loaded.
        phantom: whether it is the phantom's ontology, which only the phantom's atlases use.

    Returns:
        The checks, and the structures (ontology.read_structure_graph); where the columns are wrong there are
        none, and nothing else is looked at.
    """
    try:
        graph = ontology.read_structure_graph(path)
    except CcfError as error:
        return [Finding.blocks("columns", str(error))], pl.DataFrame()
    sentence = f"All {len(ontology.REQUIRED_COLUMNS)} columns are present, and every value can be read."
    columns = Finding.passes("columns", sentence, {"structures": graph.height})
    users = atlases_with(PHANTOM if phantom else ALLEN)
    painted = painted_regions_kept(
        graph, engine, users, "Load the annotation that belongs to it first, or drop"
    )
    return [columns, *ontology.check_structure_graph(graph), painted], graph


def atlases_with(ontology_name: str) -> list[int]:
    """The ccf_id of every atlas of the catalogue with an ontology."""
    return [entry.ccf_id for entry in catalogue().entries.values() if entry.ontology == ontology_name]


def painted_regions_kept(
    graph: pl.DataFrame, engine: sa.Engine, users: Sequence[int], advice: str
) -> Finding:
    """Whether an ontology has every region that owns voxels of the loaded atlases that have it.

    Args:
        graph: the new ontology (ontology.read_structure_graph).
        engine: the database.
        users: ccf_id of each atlas that has this ontology, loaded or not.
        advice: what to do otherwise, to be followed by the keys of the atlases.
    """
    run, region, atlas = schema.voxel_run.c, schema.brain_region.c, schema.atlas.c
    # An id that does not fit is another check's to tell, and no voxel's.
    ids = [table_number(i) for i in graph["region_id"].to_list() if i is not None and 0 < i <= LARGEST_ID]
    known = sa.bindparam("known", ids, sa.ARRAY(sa.Integer))
    painted = (
        sa.select(run.ccf_id, run.region_id)
        .where(run.ccf_id.in_(users), run.region_id != sa.all_(known))
        .distinct()
        .subquery()
    )
    query = (
        sa.select(atlas.key, region.acronym, region.region_id)
        .join_from(painted, schema.atlas, painted.c.ccf_id == atlas.ccf_id)
        .join(
            schema.brain_region,
            sa.and_(region.ccf_id == painted.c.ccf_id, region.region_id == painted.c.region_id),
        )
        .order_by(atlas.ccf_id, region.structure_order)
    )
    with engine.connect() as connection:
        lost = connection.execute(query).all()
    by_region: dict[str, list[str]] = {}
    for key, acronym, region_id in lost:
        by_region.setdefault(f"{acronym} ({source_id(region_id)})", []).append(key)
    name = "painted_regions_kept"
    numbers: Numbers = {"regions_lost": len(by_region)}
    if not lost:
        return Finding.passes(name, "Every region that owns voxels is in the new ontology.", numbers)
    keys = sorted({key for key, _, _ in lost})
    sentence = (
        f"The new ontology lacks {len(by_region)} regions that still own voxels in {', '.join(keys)}: "
        f"{', '.join(by_region)}. {advice} {', '.join(keys)}."
    )
    return Finding.blocks(name, sentence, numbers)
