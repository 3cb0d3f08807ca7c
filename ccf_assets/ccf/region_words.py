"""What people and programs write for a region: its forms, the words for outside, and those for no report.

Not here: the everyday names of regions (everyday_names.csv), and the search by likeness (likeness).
"""

from __future__ import annotations

import polars as pl

from ccf_assets.text_columns import MISSING

NO_REPORT: tuple[str, ...] = (
    *MISSING,
    "unknown",
    "<na>",
    "nat",
    "#n/a",
    "unlabeled",
    "unlabelled",
    "no label",
)
"""Texts that say that no region is reported, in lower case.

- ``unknown``: the NWB best practices for ``location`` where the place is not known, and `export electrodes`.
- ``n/a``: BIDS, in every table (common principles, tabular files).
- ``nan``, ``<na>``, ``nat``, ``none``, ``null``, ``na``: pandas, Python, JSON and SQL, and R.
- ``#n/a``: spreadsheets.
- ``unlabeled``, ``no label``: what viewers of label volumes write for a voxel nobody labelled.
"""

OUTSIDE: tuple[str, ...] = (
    "void",
    "outside",
    "outside brain",
    "outside_brain",
    "outside the brain",
    "outside of brain",
    "outside of the brain",
    "outside volume",
    "outside_volume",
    "outside the volume",
    "outside atlas",
    "outside_atlas",
    "outside of atlas",
    "out of brain",
    "out_of_brain",
    "out of the brain",
    "out of atlas",
    "out_of_atlas",
    "out-of-atlas",
    "outofatlas",
    "not found in brain",
    "not in brain",
    "not in the brain",
    "no brain",
    "no area",
    "clear label",
    "background",
    "unassigned",
    "universe",
)
"""Texts that say that a site is in no region, in lower case.

- ``void``: iblatlas, the region with the id 0.
- ``Not found in brain``: brainglobe-segmentation, in the tables of tracks and regions.
- ``Outside atlas``: brainglobe-atlasapi, structure_from_coords; ``out-of-atlas``: catalystneuro/IBL-to-nwb.
- ``Clear Label``: ITK-SNAP, label 0, and with it QuickNII, Nutil and PyNutil; ``background``: other label
  tables.
- ``unassigned``: the ABC atlas, parcellation 0; ``out of brain``, ``unassigned`` and ``void`` are the id 0 in
  the Allen Institute for Neural Dynamics' aind-data-schema-models.
- ``No Area``: channels outside the brain in the Allen Institute's Visual Behavior Neuropixels tables.
- ``universe``: the amap and neuro programs before BrainGlobe, value 0.
- ``outside_brain``, ``outside_volume``: the statuses of this program. The rest are spellings of these.

The ids 0 (the value of such a voxel) and that of the root are not words; the comparison knows them.
"""


def meanings(regions: pl.DataFrame) -> pl.DataFrame:
    """Every text that is a region: its acronym, its full name, or its name without commas, exactly.

    Case matters, since acronyms can differ by case only (CM, cm). In the Allen ontology no text means two
    regions; in another one it may.

    Args:
        regions: region_id, acronym, region_name (safe_name) and full_name of an ontology.

    Returns:
        One row per text: ``word``; ``word_id`` (Int64), the region, null where there are several;
        ``several``, their acronyms as "A or B", null where there is one.
    """
    forms = pl.concat(
        [
            regions.select(pl.col(form).alias("word"), pl.col("region_id").cast(pl.Int64), "acronym")
            for form in ("acronym", "full_name", "region_name")
        ]
    )
    alone = pl.col("region_id").n_unique() == 1
    return (
        forms.drop_nulls("word")
        .unique(["word", "region_id"])
        .group_by("word")
        .agg(
            word_id=pl.when(alone).then(pl.col("region_id").first()),
            several=pl.when(~alone).then(pl.col("acronym").sort().str.join(" or ")),
        )
    )
