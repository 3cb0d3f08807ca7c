"""The commands that answer questions about a loaded atlas: each a thin layer over `atlas.atlas.Atlas`.

Not here: the answers themselves, which notebooks get from Atlas as well, and pictures (pictures).
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ccf_assets.ccf.space import key_and_space, space_words
from ccf_assets.cli import complete
from ccf_assets.cli.commands import command
from ccf_assets.cli.options import (
    NUMBERS,
    OUTSIDE,
    AtlasOption,
    CsvOption,
    ForceOption,
    FrameOption,
    JsonOption,
    LimitOption,
    answer,
    asked_atlas,
    say,
    tell,
    wrote,
)
from ccf_assets.cli.tables import Column, show
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted

if TYPE_CHECKING:
    import polars as pl

    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.db.regions import Region

app = typer.Typer()

RegionArgument = Annotated[
    str,
    typer.Argument(
        help="Exact acronym (case matters) or id of a region, e.g. VISp or 385.",
        autocompletion=complete.regions,
    ),
]


@command(app, "Ask")
def region(acronym: RegionArgument, atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """A region: its names, path from the root, children and volume with all inside it.

    Example: ccf-assets region CA1
    """
    picked = asked_atlas(atlas)
    found = picked.region(acronym)
    path = [each.acronym for each in reversed(found.ancestors)]
    children = [child.acronym for child in found.children]
    if as_json:
        answer({**_named(found), "space": picked.space, "path": path, "children": children, **_sizes(found)})
        return
    tell(f"{found.acronym}  {found.name}  (id {found.id}, colour {found.color}, {_where(picked)})", 2)
    tell(f"path      {' → '.join(path)}", _LABEL)
    tell(f"children  {', '.join(children) or 'none'}", _LABEL)
    if found.not_drawn:
        tell(f"volume    {found.not_drawn} (the atlas is coarser here than the ontology)", _LABEL)
    elif found.sizes:
        parts = [f"{s} {found.sizes[s].volume_mm3:.3f} mm³" for s in ("left", "right") if s in found.sizes]
        sides = f" ({', '.join(parts)})" if parts else ""
        tell(
            f"volume    {found.volume_mm3:.3f} mm³ in {found.voxels:,} voxels, all inside it included{sides}",
            _LABEL,
        )


_LABEL = len("children  ")


def _where(atlas: Atlas) -> str:
    """The atlas for the end of a line, with its space where that is not the Allen CCF."""
    return key_and_space(atlas.key, atlas.space)


def _named(found: Region) -> dict[str, Any]:
    return {
        "atlas": found.atlas,
        "region_id": found.id,
        "acronym": found.acronym,
        "name": found.name,
        "color_hex": found.color_hex,
        "depth": found.depth,
    }


def _sizes(found: Region) -> dict[str, Any]:
    """Sizes of the region with its descendants, and what has voxels; null before region_volume is loaded."""
    sizes = found.sizes
    return {
        "drawn_as": drawn.acronym if (drawn := found.drawn_as) else None,
        "voxels": found.voxels if sizes else None,
        "volume_mm3": found.volume_mm3 if sizes else None,
        **{f"{s}_mm3": sizes[s].volume_mm3 if s in sizes else None for s in ("left", "right")},
        "centroid_um": {side: size.centroid for side, size in sizes.items()} or None,
    }


@command(app, "Ask")
def search(
    words: Annotated[list[str], typer.Argument(help="Words in the acronym or the name, in any case.")],
    limit: LimitOption = None,
    atlas: AtlasOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The regions whose acronym or name contains all these words, the best match first.

    Everyday names such as V1 and hippocampus are known. Where no region has the words, the nearest are
    offered.

    Examples: ccf-assets search visual layer 4; ccf-assets search hippocampus
    """
    from ccf_assets.ccf.likeness import SOURCES, everyday

    picked, text = asked_atlas(atlas), " ".join(words)
    found = picked.search(text, near=False)
    offered = found or picked.search(text)
    if as_json:
        answer([{**_named(each), "near_only": not found} for each in offered])
        return
    columns = (Column("acronym", "key"), Column("name"), Column("region_id", "number", "id", shown=""))
    show(columns, [(each.acronym, each.name, each.id) for each in offered], as_csv=as_csv, limit=limit)
    if offered and not found:
        say(f"No region has these words; these are the nearest ({picked.key})")
    else:
        say(f"{counted(len(found), 'region')} ({picked.key})")
    if called := everyday(text):
        say(f"{text} is an everyday name of {', '.join(called.acronyms)} (from {SOURCES[called.source]}).")


@command(app, "Ask", settings=NUMBERS)
def locate(
    ap: Annotated[float | None, typer.Argument(help="AP in the frame's unit and sign.")] = None,
    dv: Annotated[float | None, typer.Argument(help="DV, likewise.")] = None,
    ml: Annotated[float | None, typer.Argument(help="ML, likewise.")] = None,
    frame: FrameOption = None,
    atlas: AtlasOption = None,
    as_json: JsonOption = False,
) -> None:
    """The region at a point: AP, DV and ML in a named frame (`ccf` is CCF µm).

    The order of a point is AP, DV, ML in every frame, also where files of the frame have another (ibl).
    Without a point, a CSV on standard input (columns ap, dv, ml, or x, y, z in the frame's own order) comes
    back on standard output with the region of each row added. `ccf-assets frames` lists the frames.

    Examples: ccf-assets locate 8900 1300 8200; ccf-assets locate --frame stereotaxic -3500 500 2500;
    ccf-assets locate --frame ibl < points.csv
    """
    import numpy as np

    from ccf_assets.cli.points import as_read, check_frame_files, in_um, locate_rows, what_else

    # Before the database is asked, which warns of faulty frames: one's own is an error then, said once.
    check_frame_files(frame)
    picked = asked_atlas(atlas)
    known = picked.frame(frame)
    if ap is None:
        locate_rows(picked, known, as_json=as_json)
        return
    if dv is None or ml is None:
        raise CcfError("A point is three numbers: AP, DV and ML.")
    found = picked.locate([ap, dv, ml], frame)
    if as_json:
        answer(found.to_polars().row(0, named=True))
    elif found.acronym[0] is not None:
        region = picked.region(found.acronym[0])
        side = f"{found.hemisphere[0]}, " if found.hemisphere[0] else ""
        tell(f"{region.acronym}  {region.name}  (id {region.id}, {side}{_where(picked)})", 2)
    else:
        tell(f"{found.status[0].replace('_', ' ')}  ({_where(picked)})")
    if order := as_read(known):
        say(order)
    if as_json:
        return
    x, y, z = found.ccf_um[0].tolist()
    if known.name not in ("ccf", picked.space) and math.isfinite(x + y + z):
        where = f"{space_words(picked.space)} µm".ljust(_LABEL - 1)
        tell(f"{where} AP {in_um(x)}, DV {in_um(y)}, ML {in_um(z)}", _LABEL)
    if hint := what_else(known, np.array([[ap, dv, ml]]), in_region=found.acronym[0] is not None):
        say(hint)


@command(app, "Ask")
def compare(
    atlas: Annotated[str, typer.Argument(help="Key of a loaded atlas.", autocompletion=complete.atlases)],
    other: Annotated[
        str, typer.Argument(help="Key of another, in the same space.", autocompletion=complete.atlases)
    ],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="What makes two regions the same: id, acronym, or a region set of both atlases, where they "
            "have two ontologies.",
        ),
    ] = "id",
    limit: LimitOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Where two atlases (versions or resolutions) assign places to different regions: the largest pairs.

    Example: ccf-assets compare ccf_2017_50um ccf_2017_100um
    """
    pairs = asked_atlas(atlas).differences(other, by=by)
    if as_json:
        answer(pairs.to_dicts())
        return
    columns = (
        Column("mm3", "number", "mm³", shown=",.3f"),
        Column("acronym_a", "key", atlas),
        Column("acronym_b", "key", other),
    )
    acronyms = pairs.select("acronym_a", "acronym_b").fill_null(OUTSIDE).rows()
    show(
        columns,
        [(mm3, *named) for mm3, named in zip(pairs["mm3"], acronyms, strict=True)],
        as_csv=as_csv,
        limit=limit,
    )
    share = 100 * float(pairs["share"].sum())
    shown = f"{share:.2f}" if share >= 0.01 or not share else f"{share:.1g}"  # noqa: PLR2004
    say(f"{counted(len(pairs), 'pair')}, {shown} % of the brain ({atlas} against {other})")


@command(app, "Ask")
def sites(
    acronym: Annotated[
        str | None,
        typer.Argument(
            help="Exact acronym (case matters) or id of a region; with --html all if not given.",
            autocompletion=complete.regions,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--html", help="Draw them in the outline of the brain, into this one page.", dir_okay=False
        ),
    ] = None,
    recording: Annotated[
        list[str] | None,
        typer.Option("--recording", help="With --html: only the sites of this one; may be repeated."),
    ] = None,
    color_by: Annotated[
        str | None, typer.Option("--color-by", help="With --html: recording (the default) or region.")
    ] = None,
    force: ForceOption = False,
    limit: LimitOption = None,
    atlas: AtlasOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The recording sites in a region or anything inside it; on a terminal first how many are in which.

    With --html they become one page for a mail, which any browser shows and turns: nothing else is needed.

    Examples: ccf-assets sites TH; ccf-assets sites --html sites.html
    """
    if page is not None and not (as_json or as_csv or limit is not None):
        made = asked_atlas(atlas).sites_page(
            acronym, recordings=recording or None, color_by=color_by or "recording"
        )
        made.save(page, force=force)
        left = f" ({made.without_place:,} more without a place)" if made.without_place else ""
        say(f"{counted(made.shown, 'site')}{left}")
        wrote(page)
        return
    if acronym is None or page or recording or color_by or force:
        raise CcfError(
            "Sites are listed with `ccf-assets sites REGION`, which --json, --csv and --limit may follow, "
            "and drawn with `ccf-assets sites --html FILE`, which --recording, --color-by and --force may "
            "follow."
        )
    picked = asked_atlas(atlas)
    chosen, found = picked.region(acronym), picked.sites_in(acronym)
    if as_json:
        answer(found.to_dicts())
        return
    if chosen.not_drawn:
        nearest = chosen.drawn_as
        hint = f"; its sites are among those of `ccf-assets sites {nearest.acronym}`" if nearest else ""
        total = f"{chosen.acronym} is {chosen.not_drawn}{hint}."
    else:
        recordings = counted(found["recording_id"].n_unique(), "recording")
        total = f"{counted(len(found), 'site')}, {recordings} in {acronym} or inside it ({_where(picked)})"
    say(total)
    if sys.stdout.isatty() and not as_csv and len(found):
        show(_SITES_BY_REGION, _by_region(found))
        typer.echo()
    called = found.select(site=found["site_name"].fill_null(found["site_id"].cast(str)))
    columns = [
        Column("recording_id", "key", "recording"),
        Column("site_id", "number"),
        Column("acronym", "key", "region"),
        Column("hemisphere"),
        Column("site", "number"),
    ]
    if sys.stdout.isatty() and not as_csv:  # people read the name, or the number where there is none
        columns[1] = columns.pop()
    names = [column.name for column in columns]
    show(columns, found.hstack(called).select(names).rows(), as_csv=as_csv, limit=limit)


_SITES_BY_REGION = (
    Column("acronym", "key", "region"),
    Column("name"),
    Column("sites", "number"),
    Column("recordings", "number", spare=1),
)


def _by_region(found: pl.DataFrame) -> list[tuple[object, ...]]:
    """How many sites and recordings there are in which region, the most first."""
    import polars as pl

    return (
        found.group_by("acronym", "region_name")
        .agg(pl.len().alias("sites"), pl.col("recording_id").n_unique().alias("recordings"))
        .sort(["sites", "acronym"], descending=[True, False])
        .rows()
    )
