"""What an annotation file must hold before anything is built on it.

Checks of tables are in defs.atlas_checks.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from ccf_assets.ccf import nrrd, ontology, runs
from ccf_assets.ccf.catalogue import AtlasEntry
from ccf_assets.finding import Finding

ANNOTATION_CHECKS = ("volume_as_catalogued", "painted_ids_known")


def annotation_checks(
    path: Path, entry: AtlasEntry, graph: pl.DataFrame, report: Callable[[str], object]
) -> tuple[list[Finding], Mapping[int, int]]:
    """Look at a volume before anything is built on it.

    Args:
        path: the NRRD file.
        entry: what the catalogue says of it.
        graph: the ontology its ids must be in.
        report: receives progress.

    Returns:
        The checks, and how many voxels carry each id (none where the header is already wrong).
    """
    name = Path(entry.path).name  # its own may be that of a file on its way
    problems = nrrd.header_problems(nrrd.read_header(path), entry)
    as_catalogued = Finding.required(
        "volume_as_catalogued",
        not problems,
        f"The header of {name} is not that of {entry.key}: {'; '.join(problems)}. {nrrd.OFFICIAL}"
        if problems
        else f"Type, shape and resolution are those of {entry.key}.",
        {"differences": len(problems)},
    )
    counts = {} if problems else runs.count_voxels(nrrd.planes(path, entry, report))
    unknown = [f"{i} ({counts[i]} voxels)" for i in ontology.missing_regions(graph, set(counts))]
    painted_ids_known = Finding.required(
        "painted_ids_known",
        bool(counts or problems) and not unknown,
        f"{len(unknown)} ids in {name} are not in the ontology: {ontology.listed(unknown)}; "
        "load the ontology that belongs to it."
        if unknown
        else "Not looked at, since the header is wrong."
        if problems
        else f"No voxel in {name} has an id, so there is no brain in it. {nrrd.OFFICIAL}"
        if not counts
        else f"All {len(counts)} ids are in the ontology.",
        {"ids": len(counts), "unknown_ids": len(unknown)},
    )
    return [as_catalogued, painted_ids_known], counts
