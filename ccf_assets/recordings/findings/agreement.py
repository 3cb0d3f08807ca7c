"""Comparison of the regions reported with sites and those computed.

The other checks of a table of sites need no computed regions; see look.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from ccf_assets.ccf.region_words import NO_REPORT, OUTSIDE, meanings
from ccf_assets.ccf.space import NO_PLACE
from ccf_assets.finding import Finding, Numbers, counted
from ccf_assets.recordings.findings.claims import KEY
from ccf_assets.recordings.findings.reading import PAIRS, percent

_AGREE = 0.95
"""Below this share of agreeing regions the reports are suspicious. A shift of half a voxel gives 91 %."""


@dataclass(frozen=True)
class Ontology:
    """The regions of an atlas, for any number of comparisons: what all of them need is made once.

    Attributes:
        regions: region_id, acronym, region_name, full_name.
        ancestors: region_id, ancestor_id: the closure, every region among its own ancestors.
        not_drawn: ids of the regions that have no voxel in the atlas, with everything inside them.
    """

    regions: pl.DataFrame
    ancestors: pl.DataFrame
    not_drawn: Collection[int] = ()

    @cached_property
    def words(self) -> pl.DataFrame:
        """Every text that is a region, as `region_words.meanings` gives them."""
        return meanings(self.regions)

    @cached_property
    def closure(self) -> pl.DataFrame:
        """``ancestors`` with 64-bit ids, as reports have them."""
        return self.ancestors.select(pl.col("region_id", "ancestor_id").cast(pl.Int64))

    @cached_property
    def roots(self) -> list[int]:
        """Ids of the regions that nothing contains."""
        return self.closure.group_by("region_id").len().filter(pl.col("len") == 1)["region_id"].to_list()

    @cached_property
    def nearest_drawn(self) -> pl.DataFrame:
        """Each region without a voxel, and the nearest with one that contains it: region_id, ancestor_id."""
        not_drawn = list(self.not_drawn)
        depth = self.closure.group_by(pl.col("region_id").alias("ancestor_id")).len("depth")
        return (
            self.closure.filter(
                pl.col("region_id").is_in(not_drawn) & ~pl.col("ancestor_id").is_in(not_drawn)
            )
            .join(depth, on="ancestor_id")
            .sort("depth")
            .group_by("region_id", maintain_order=True)
            .last()
            .select("region_id", "ancestor_id")
        )


def compared_regions(sites: pl.DataFrame, computed: pl.DataFrame, ontology: Ontology) -> pl.DataFrame:
    """The reported regions of a file beside those computed in one atlas, usually the finest loaded one.

    A report is a region's acronym, id, full name, or name without commas, exactly. It agrees if it is the
    computed region or one that contains it. A report of outside (0, the value of a voxel without a region, or
    a word of `OUTSIDE`, in any case) agrees with a site outside the brain or the volume. So does root, which
    some tools write for sites in no region; and as root contains every region, it agrees with any. A negative
    id is that of the left hemisphere, in tools that distinguish hemispheres.

    The ontology is finer than the atlas: a report that has no voxel in this atlas neither agrees nor
    contradicts if the computed region is the nearest that contains it and has voxels (CA1sp where CA1 is
    computed, but not where HPF is: CA1 is drawn, and the site is outside it).

    Sites without a report (or with a word of `NO_REPORT`, in any case), without coordinates or not yet
    computed are not compared. Reports that are no region of the ontology, or could be several, are counted
    separately.

    Args:
        sites: recording_id, site_id, reported_region.
        computed: recording_id, site_id, region_id (null outside), status, for one atlas.
        ontology: the regions of that atlas.

    Returns:
        One row per site compared: ``reported`` and ``computed``, the regions in words; ``known``, the report
        is a region or outside; ``several``, the regions that it could be, if there are several; ``agrees``;
        ``equal``, it is the computed one; ``finer``, it is not drawn, and the computed one is in its place.
    """
    both = _with_labels(sites, computed, ontology)
    outside = pl.col("status").is_in(["outside_brain", "outside_volume"])
    agrees = pl.col("contains") | (outside & (pl.col("says_outside") | pl.col("says_root")))
    both = both.join(
        ontology.closure.with_columns(contains=pl.lit(value=True)),
        left_on=["region_id", "reported_id"],
        right_on=["region_id", "ancestor_id"],
        how="left",
    ).with_columns(
        pl.col("contains").fill_null(value=False),
        says_root=pl.col("reported_id").is_in(ontology.roots).fill_null(value=False),
    )
    same = ((pl.col("reported_id") == pl.col("region_id")) | outside).fill_null(value=False)
    return (
        both.join(
            ontology.nearest_drawn.with_columns(finer=pl.lit(value=True)),
            left_on=["reported_id", "region_id"],
            right_on=["region_id", "ancestor_id"],
            how="left",
        )
        .with_columns(pl.col("finer").fill_null(value=False), agrees=agrees, equal=agrees & same)
        .with_columns(finer=pl.col("finer") & ~pl.col("agrees"))
    )


def _with_labels(sites: pl.DataFrame, computed: pl.DataFrame, ontology: Ontology) -> pl.DataFrame:
    """The sites to compare: the report (reported_id, says_outside, known, reported) and what is computed."""
    named = ontology.regions.select(pl.col("region_id").cast(pl.Int64), name=pl.col("acronym"))
    text = pl.col("reported_region").str.strip_chars()
    both = (
        sites.select(*KEY, "reported_region")
        .join(ontology.words, left_on=text, right_on="word", how="left", coalesce=False)
        # Null is neither. In another ontology such a word may be an acronym, which has priority.
        .filter(pl.col("word").is_not_null() | ~text.str.to_lowercase().is_in(NO_REPORT))
        .join(
            computed.select(
                pl.col("recording_id").cast(pl.String),
                pl.col("site_id").cast(pl.Int64),
                pl.col("region_id").cast(pl.Int64),
                "status",
            ),
            on=KEY,
        )
        .filter(~pl.col("status").is_in(NO_PLACE))
    )
    number = text.str.extract(r"^-?(\d{1,18})(?:\.0*)?$").cast(pl.Int64)
    return (
        both.with_columns(
            # A word has priority, should one ever look like a number; "385.0" is what pandas makes of 385.
            reported_id=pl.when(pl.col("several").is_null()).then(pl.coalesce("word_id", number)),
            says_outside=pl.col("word").is_null()
            & ((number == 0) | text.str.to_lowercase().is_in(OUTSIDE)).fill_null(value=False),
        )
        .join(
            named.rename({"name": "reported_name"}), left_on="reported_id", right_on="region_id", how="left"
        )
        .join(named.rename({"name": "computed_name"}), on="region_id", how="left")
        .with_columns(
            known=pl.col("says_outside") | pl.col("reported_name").is_not_null(),
            reported=pl.coalesce("reported_name", text),
            computed=pl.coalesce("computed_name", pl.col("region_id").cast(pl.String), "status"),
        )
    )


def commonest_differences(compared: pl.DataFrame) -> pl.DataFrame:
    """The ten most frequent pairs that contradict, the most frequent first: reported, computed, sites.

    Args:
        compared: rows as `compared_regions` gives them, of one file or of several.
    """
    return _commonest(compared.filter(pl.col("known") & ~pl.col("agrees") & ~pl.col("finer")))


def _commonest(compared: pl.DataFrame) -> pl.DataFrame:
    pairs = compared.group_by("reported", "computed").len("sites")
    return pairs.sort("sites", "reported", "computed", descending=[True, False, False]).head(PAIRS)


def _in_words(pairs: pl.DataFrame) -> str:
    return "; ".join(f"{reported} → {region}: {count:,}" for reported, region, count in pairs.iter_rows())


def reported_region(compared: pl.DataFrame, atlas: str, explained: str = "") -> Finding:
    """The share of the reported regions of one file that are the computed ones, or contain them.

    Args:
        compared: rows as `compared_regions` gives them.
        atlas: key of the atlas of the computed regions.
        explained: what explains the differences, as half_voxel says it; empty if nothing is known.

    Returns:
        A finding that warns if fewer than 95 % agree or are finer than the atlas draws, if a report is
        unknown, or if the differences are explained. Its sentence names the ten most frequent differences.
    """
    if not compared.height:
        sentence = "No site has both a reported and a computed region."
        return Finding.passes("reported_region", sentence, {"compared": 0, "unknown": 0})
    known, unknown = compared.filter(pl.col("known")), compared.filter(~pl.col("known"))
    equal, agreeing, finer = (int(known[column].sum()) for column in ("equal", "agrees", "finer"))
    parts = []
    if known.height:
        parts.append(
            f"Of {counted(known.height, 'reported region')} {percent(equal / known.height)} are the computed "
            f"region and {percent(agreeing / known.height)} are it or contain it."
        )
    if finer:
        parts.append(
            f"{counted(finer, 'report is', 'reports are')} finer than {atlas}: inside the computed region "
            f"and not drawn there (reported → computed: {_in_words(_commonest(known.filter('finer')))}). So "
            f"{agreeing + finer:,} of {known.height:,} do not contradict it."
        )
    if differences := _in_words(commonest_differences(compared)):
        parts.append(f"Commonest differences (reported → computed): {differences}.")
    if unknown.height:
        parts.append(_unknown_words(unknown))
    parts += [explained] if explained else []
    passed = not unknown.height and not explained and agreeing + finer >= _AGREE * known.height
    finding = Finding.passes if passed else Finding.warns
    return finding("reported_region", " ".join(parts), numbers(compared))


def numbers(compared: pl.DataFrame) -> Numbers:
    """Counts and shares of the reports of one file or of several.

    Args:
        compared: rows as `compared_regions` gives them.

    Returns:
        compared, agreeing, not_drawn, unknown: sites; agreeing_share, equal_share: of those compared.
    """
    known = compared.filter("known")
    among = max(known.height, 1)
    return {
        "compared": known.height,
        "agreeing": int(known["agrees"].sum()),
        "agreeing_share": int(known["agrees"].sum()) / among,
        "equal_share": int(known["equal"].sum()) / among,
        "not_drawn": int(known["finer"].sum()),
        "unknown": compared.height - known.height,
    }


def _unknown_words(unknown: pl.DataFrame) -> str:
    """The commonest reports that are no region, or could be several, each with how many sites have it."""
    parts = []
    ambiguous = pl.col("several").is_not_null()
    for rows, one, many in (
        (unknown.filter(~ambiguous), "report is no region", "reports are no region"),
        (unknown.filter(ambiguous), "report could be several regions", "reports could be several regions"),
    ):
        labels = (
            rows.group_by("reported", "several")
            .len()
            .sort("len", "reported", descending=[True, False])
            .head(PAIRS)
        )
        named = ", ".join(
            f"{label!r} ({f'{several}; ' if several else ''}{count:,})"
            for label, several, count in labels.iter_rows()
        )
        if named:
            parts.append(f"{counted(rows.height, one, many)} of the ontology: {named}.")
    return " ".join(parts)
