"""Regions that were reported with sites against those computed."""

from __future__ import annotations

import polars as pl

from ccf_assets.finding import Finding, Numbers, counted
from ccf_assets.recordings.findings.claims import KEY
from ccf_assets.recordings.findings.reading import PAIRS, percent
from ccf_assets.text_columns import MISSING

_AGREE = 0.95
"""Below this share of agreeing regions the reports are suspicious. A frame half a voxel off gives 91 %."""

_OUTSIDE_WORDS = ("void", "outside", "outside_brain", "outside brain", "out of brain", "out_of_brain")


def compared_regions(
    sites: pl.DataFrame, computed: pl.DataFrame, regions: pl.DataFrame, ancestors: pl.DataFrame
) -> pl.DataFrame:
    """The regions a file reports beside those computed in one atlas; take the finest that is loaded.

    A report agrees if it is the computed region or one that contains it. A report of outside (0, which is the
    value of a voxel without a region, or a word such as void) agrees with a site outside the brain or the
    volume. So does root, which some tools write for what they found in no region; and as root contains every
    region, it agrees with any. A negative id is the left side's in tools that tell the sides apart.

    Sites without a report (or with NA and the like for one), without coordinates or not yet computed are not
    compared. A report that is no
    region of the ontology is counted by itself.

    Args:
        sites: recording_id, site_id, reported_region.
        computed: recording_id, site_id, region_id (null outside), status, for one atlas.
        regions: region_id, acronym of the ontology.
        ancestors: region_id, ancestor_id: the closure, every region among its own ancestors.

    Returns:
        One row per site compared: ``said`` and ``got``, the regions in words; ``known``, the report is a
        region or outside; ``agrees``; ``equal``, it is the computed one.
    """
    both = _with_labels(sites, computed, regions)
    is_root = ancestors.group_by("region_id").len().filter(pl.col("len") == 1).select("region_id")
    outside = pl.col("status").is_in(["outside_brain", "outside_volume"])
    agrees = pl.col("contains") | (outside & (pl.col("says_outside") | pl.col("says_root")))
    closure = ancestors.select(
        pl.col("region_id").cast(pl.Int64), pl.col("ancestor_id").cast(pl.Int64), contains=pl.lit(value=True)
    )
    both = both.join(
        closure, left_on=["region_id", "said_id"], right_on=["region_id", "ancestor_id"], how="left"
    ).with_columns(
        pl.col("contains").fill_null(value=False),
        says_root=pl.col("said_id")
        .is_in(is_root["region_id"].cast(pl.Int64).to_list())
        .fill_null(value=False),
    )
    same = ((pl.col("said_id") == pl.col("region_id")) | outside).fill_null(value=False)
    return both.with_columns(agrees=agrees, equal=agrees & same)


def _with_labels(sites: pl.DataFrame, computed: pl.DataFrame, regions: pl.DataFrame) -> pl.DataFrame:
    """The sites to compare: what is said (said_id, says_outside, known, said), what is computed (got)."""
    acronyms = regions.select(pl.col("acronym"), acronym_id=pl.col("region_id").cast(pl.Int64))
    named = regions.select(pl.col("region_id").cast(pl.Int64), name=pl.col("acronym"))
    text = pl.col("reported_region").str.strip_chars()
    both = (
        sites.select(*KEY, "reported_region")
        .filter(~text.str.to_lowercase().is_in(MISSING))  # null is neither
        .join(
            computed.select(
                pl.col("recording_id").cast(pl.String),
                pl.col("site_id").cast(pl.Int32),
                pl.col("region_id").cast(pl.Int64),
                "status",
            ),
            on=KEY,
        )
        .filter(~pl.col("status").str.starts_with("invalid"))
        # An acronym goes before a number, should one ever look like one; "385.0" is what pandas makes of 385.
        .join(acronyms, left_on=text, right_on="acronym", how="left", coalesce=False)
    )
    number = text.str.extract(r"^-?(\d{1,18})(?:\.0*)?$").cast(pl.Int64)
    return (
        both.with_columns(
            said_id=pl.coalesce("acronym_id", number),
            says_outside=(number == 0).fill_null(value=False)
            | text.str.to_lowercase().is_in(_OUTSIDE_WORDS).fill_null(value=False),
        )
        .join(named.rename({"name": "said_name"}), left_on="said_id", right_on="region_id", how="left")
        .join(named.rename({"name": "got_name"}), on="region_id", how="left")
        .with_columns(
            known=pl.col("says_outside") | pl.col("said_name").is_not_null(),
            said=pl.coalesce("said_name", text),
            got=pl.coalesce("got_name", pl.col("region_id").cast(pl.String), "status"),
        )
    )


def commonest_differences(compared: pl.DataFrame) -> pl.DataFrame:
    """The ten commonest pairs that do not agree, the commonest first: reported, computed, sites.

    Args:
        compared: rows as `compared_regions` gives them, of one file or of several.
    """
    pairs = compared.filter(pl.col("known") & ~pl.col("agrees")).group_by("said", "got").len("sites")
    ordered = pairs.sort("sites", "said", "got", descending=[True, False, False]).head(PAIRS)
    return ordered.rename({"said": "reported", "got": "computed"})


def reported_region(compared: pl.DataFrame) -> Finding:
    """How many reported regions of one file are the computed ones, or contain them.

    Args:
        compared: rows as `compared_regions` gives them.

    Returns:
        A finding that warns below 95 % agreement or if a report is unknown. Its sentence names the ten
        commonest differences.
    """
    if not compared.height:
        sentence = "No site has both a reported and a computed region."
        return Finding.passes("reported_region", sentence, {"compared": 0, "unknown": 0})
    known, unknown = compared.filter(pl.col("known")), compared.filter(~pl.col("known"))
    equal = float(known["equal"].mean() or 0.0) if known.height else 0.0  # type: ignore[arg-type]
    agreeing = int(known["agrees"].sum())
    share = agreeing / known.height if known.height else 0.0
    numbers: Numbers = {
        "compared": known.height,
        "agreeing": agreeing,
        "agreeing_share": share,
        "equal_share": equal,
        "unknown": unknown.height,
    }
    pairs = commonest_differences(compared)
    told = [f"{said} → {got}: {count:,}" for said, got, count in pairs.iter_rows()]
    parts = []
    if known.height:
        parts.append(
            f"Of {counted(known.height, 'reported region')} {percent(equal)} are the computed region and "
            f"{percent(share)} are it or contain it."
        )
    if told:
        parts.append(f"Commonest differences (reported → computed): {'; '.join(told)}.")
    if unknown.height:
        labels = unknown.group_by("said").len().sort("len", "said", descending=[True, False]).head(PAIRS)
        named = ", ".join(f"{label!r} ({count:,})" for label, count in labels.iter_rows())
        reports = counted(unknown.height, "report is", "reports are")
        parts.append(f"{reports} no region of the ontology: {named}.")
    passed = not unknown.height and share >= _AGREE
    finding = Finding.passes if passed else Finding.warns
    return finding("reported_region", " ".join(parts), numbers)
