"""Checks of ownership: sites that a file contains twice, or that another source has already."""

from __future__ import annotations

import polars as pl

from ccf_assets.finding import Finding, Numbers, counted, listed
from ccf_assets.recordings.findings.reading import PAIRS, of_total

KEY = ["recording_id", "site_id"]


def duplicate_sites(sites: pl.DataFrame) -> Finding:
    """Sites that a file contains more than once. It blocks: it is unknown which row is meant."""
    name = "duplicate_sites"
    # Most files have none. By numbers made from the keys that is found in a fifth of the memory: of a million
    # sites 310 MB. Equal keys have equal numbers; the few others that share one are left out by themselves.
    suspected = sites.filter(sites.select(KEY).hash_rows().is_duplicated())
    repeated = suspected.filter(suspected.select(KEY).is_duplicated())
    twice = repeated.group_by(KEY, maintain_order=True).agg(pl.len(), pl.col("site_name").first())
    rows = int(twice["len"].sum())
    numbers: Numbers = {"sites": sites.height, "duplicated": twice.height, "rows": rows}
    if not twice.height:
        return Finding.passes(name, "Every site is given once.", numbers)
    equal = rows - repeated.unique().height
    note = f" {equal:,} of these rows repeat another exactly." if equal else ""
    hint = (
        " Has the file a column with a number for each site of a recording? Name it site_id."
        if (twice["site_id"] == 0).all() and (sites["site_id"] == 0).all()
        else ""
    )
    sentence = (
        f"{counted(twice.height, 'site is', 'sites are')} given more than once ({rows:,} rows), "
        f"for example {_in_words(twice)}.{note}{hint}"
    )
    return Finding.blocks(name, sentence, numbers)


def claimed_elsewhere(sites: pl.DataFrame, owners: pl.DataFrame) -> Finding:
    """Sites of this file that another source has already, and keeps; the other sites of the file are loaded.

    Args:
        sites: a table as ``recordings.read_sites`` gives it.
        owners: recording_id, site_id, source of the sites already stored; those of this file do not count.
    """
    name = "claimed_elsewhere"
    taken = _taken(sites, owners)
    numbers: Numbers = {"sites": sites.height, "claimed": taken.height}
    if not taken.height:
        return Finding.passes(name, "No other source has a site of this file.", numbers)
    files = taken.group_by("owner").len().sort("len", "owner", descending=[True, False])
    named = listed([f"{owner} ({count:,})" for owner, count in files.iter_rows()], PAIRS)
    sentence = (
        f"{of_total(taken.height, sites.height)} belong to another source already, which keeps them: "
        f"{named}. One of them is {_in_words(taken)}."
    )
    return Finding.warns(name, sentence, numbers | {"files": files.height})


def claims(sites: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """recording_id, site_id, source of the sites of this file that are not stored: another source has them.

    Arguments as for `claimed_elsewhere`.
    """
    return sites.join(_taken(sites, owners), on=KEY, how="semi", maintain_order="left").select(*KEY, "source")


def _taken(sites: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """recording_id, site_id, site_name, owner of the sites that another source has."""
    others = owners.select(
        pl.col("recording_id").cast(pl.String), pl.col("site_id").cast(pl.Int64), owner=pl.col("source")
    )
    return (
        sites.select(*KEY, "site_name", "source")
        .join(others, on=KEY, how="inner", maintain_order="left")
        .filter(pl.col("owner") != pl.col("source"))
        .unique(KEY, keep="first", maintain_order=True)
        .drop("source")
    )


def _in_words(sites: pl.DataFrame) -> str:
    """The first of some sites for a sentence."""
    first = sites.row(0, named=True)
    name = first["site_id"] if first["site_name"] is None else first["site_name"]
    return f"site {name} of recording {first['recording_id']}"
