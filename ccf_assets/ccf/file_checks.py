"""Checks of an annotation file, before anything is built on it.

Checks of tables are in defs.atlas_checks; those of a new ontology in db.ontology_checks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl

from ccf_assets.ccf import nrrd, ontology, runs
from ccf_assets.ccf.catalogue import AtlasEntry
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.finding import Finding, Numbers, listed
from ccf_assets.prefetch import one_ahead

ANNOTATION_CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "volume_as_catalogued": "The file's type, shape and resolution are those of the catalogue",
        "painted_ids_known": "Every region id in the volume is in the ontology, and there is one",
    }
)
"""Name of each check of `annotation_checks` → what it looks at."""


def annotation_checks(
    path: Path,
    entry: AtlasEntry,
    grid: VoxelGrid,
    graph: pl.DataFrame,
    report: Callable[[str], object],
    passing: Callable[[Iterator[nrrd.SagittalPlane]], Iterator[nrrd.SagittalPlane]] = iter,
) -> tuple[list[Finding], runs.VoxelCounts]:
    """Check a volume before anything is built on it.

    Args:
        path: the NRRD file.
        entry: its entry in the catalogue.
        grid: the grid that it must have.
        graph: the ontology that must have its ids.
        report: receives progress.
        passing: yields the planes as they are, and may look at them: the file is read once for both.

    Returns:
        The checks, and the number of voxels by side and id (empty if the header is already wrong).
    """
    # The path itself may be the temporary name of a file that is being downloaded.
    name = entry.annotation_name
    problems = nrrd.header_problems(nrrd.read_header(path), grid)
    if problems:
        not_checked = "Not checked, since the header is wrong."
        numbers: Numbers = {"ids": 0, "unknown_ids": 0}
        return [
            _volume_as_catalogued(name, entry, problems),
            Finding.passes("painted_ids_known", not_checked, numbers),
        ], runs.VoxelCounts({}, {})
    sides = runs.count_sides(one_ahead(passing(nrrd.planes(path, grid, report))), grid)
    counts = sides.both
    unknown = [f"{i} ({counts[i]} voxels)" for i in ontology.missing_regions(graph, set(counts))]
    return [
        _volume_as_catalogued(name, entry, problems),
        _painted_ids_known(name, len(counts), unknown),
    ], sides


def _volume_as_catalogued(name: str, entry: AtlasEntry, problems: Sequence[str]) -> Finding:
    numbers: Numbers = {"differences": len(problems)}
    if not problems:
        sentence = f"Type, shape and resolution are those of {entry.key}."
        return Finding.passes("volume_as_catalogued", sentence, numbers)
    sentence = f"The header of {name} is not that of {entry.key}: {'; '.join(problems)}. {nrrd.OFFICIAL}"
    return Finding.blocks("volume_as_catalogued", sentence, numbers)


def _painted_ids_known(name: str, ids: int, unknown: Sequence[str]) -> Finding:
    numbers: Numbers = {"ids": ids, "unknown_ids": len(unknown)}
    if unknown:
        sentence = (
            f"{len(unknown)} ids in {name} are not in the ontology: {listed(unknown)}; "
            "load the ontology that belongs to it."
        )
        return Finding.blocks("painted_ids_known", sentence, numbers)
    if not ids:
        sentence = f"No voxel in {name} has an id, so there is no brain in it. {nrrd.OFFICIAL}"
        return Finding.blocks("painted_ids_known", sentence, numbers)
    return Finding.passes("painted_ids_known", f"All {ids} ids are in the ontology.", numbers)
