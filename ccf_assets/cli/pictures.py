"""The commands that draw: a plane of an atlas, and the regions along a track.

Not here: what is on a picture (atlas.section), and how it is drawn (pictures).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ccf_assets.ccf.space import ALLEN_CCF, AXES, key_and_space, space_words
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
    answer,
    asked_atlas,
    picture_option,
    say,
    wrote,
)
from ccf_assets.cli.points import as_read, in_um
from ccf_assets.cli.tables import Column, show
from ccf_assets.errors import CcfError

if TYPE_CHECKING:
    import polars as pl

    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.atlas.section import RegionValues
    from ccf_assets.ccf.planes import Orientation
    from ccf_assets.db.regions import Region

app = typer.Typer()

DpiOption = Annotated[int, typer.Option("--dpi", help="Dots per inch of a PNG, 50 to 1200.")]


@command(app, "Ask", settings=NUMBERS)
def track(
    ap: Annotated[float, typer.Argument(help="AP of the first point, in the frame's unit and sign.")],
    dv: Annotated[float, typer.Argument(help="DV of the first point.")],
    ml: Annotated[float, typer.Argument(help="ML of the first point.")],
    to_ap: Annotated[float, typer.Argument(help="AP of the second point.")],
    to_dv: Annotated[float, typer.Argument(help="DV of the second point.")],
    to_ml: Annotated[float, typer.Argument(help="ML of the second point.")],
    frame: FrameOption = None,
    output: Annotated[
        Path | None, picture_option("Draw the strip into this file: .png, .svg or .pdf.")
    ] = None,
    dpi: DpiOption = 100,
    force: ForceOption = False,
    atlas: AtlasOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """The regions along a straight line between two points, such as a probe's.

    Each line has the distances from the first point at which a region is entered and left, in µm.

    Example: ccf-assets track 8900 0 8200 8900 3840 8200 -o strip.png
    """
    from ccf_assets.pictures.drawing import check_dpi

    check_dpi(dpi)
    picked = asked_atlas(atlas)
    if picked.space != ALLEN_CCF.name:
        say(f"A track through {key_and_space(picked.key, picked.space)}")
    if order := as_read(picked.frame(frame)):
        say(order)
    ends = ((ap, dv, ml), (to_ap, to_dv, to_ml))
    along = picked.track(*ends, frame).to_dicts()
    if as_json:
        answer(along)
    else:
        columns = (
            Column("entry_um", "number", "from µm", shown=",.1f"),
            Column("exit_um", "number", "to µm", shown=",.1f"),
            Column("acronym", "key"),
            Column("name"),
        )
        named = [picked.region(row["region_id"]).name if row["region_id"] else OUTSIDE for row in along]
        stretches = zip(along, named, strict=True)
        rows = [(row["entry_um"], row["exit_um"], row["acronym"], name) for row, name in stretches]
        show(columns, rows, as_csv=as_csv)
    if output is not None:
        _write(output, _drawn_track(picked, along, ends, frame, output.suffix.lower(), dpi), force=force)


def _drawn_track(
    atlas: Atlas,
    along: list[dict[str, Any]],
    ends: tuple[tuple[float, float, float], tuple[float, float, float]],
    frame: str | None,
    suffix: str,
    dpi: int,
) -> bytes:
    from ccf_assets.atlas.section import title_of
    from ccf_assets.ccf.planes import bregma_frame, from_bregma
    from ccf_assets.pictures.track import Segment, track_file

    length = along[-1]["exit_um"]
    first, last = atlas.locate(list(ends), frame).ccf_um
    midline = atlas.grid.midline_um

    def side(um: float) -> str:
        return "left" if first[2] + (last[2] - first[2]) * um / length < midline else "right"

    def sides(start_um: float, end_um: float) -> str:
        if midline is None:
            return ""
        # A little inside the stretch: its ends lie on borders of voxels, as the midline does.
        both = side(start_um + 0.01), side(max(end_um - 0.01, start_um))
        return both[0] if both[0] == both[1] else " → ".join(both)

    segments = [
        Segment(
            each.acronym, each.color_hex, row["entry_um"], row["exit_um"], _name(each),
            sides(row["entry_um"], row["exit_um"]), hatched=each.parent is None,
        )
        for row in along
        if row["region_id"] is not None
        for each in [atlas.region(row["region_id"])]
    ]  # fmt: skip

    def told(point: tuple[float, float, float], place: tuple[float, float, float]) -> str:
        words = ", ".join(f"{name} {in_um(c)}" for name, c in zip(("AP", "DV", "ML"), place, strict=True))
        parts = [f"{words} {space_words(atlas.space)} µm"]
        if frame not in (None, "ccf", atlas.space):
            given = ", ".join(f"{axis.upper()} {c:g}" for axis, c in zip(AXES, point, strict=True))
            parts.append(f"{given} in {frame}")
        elif bregma_frame(atlas.space) is not None:
            parts.append(", ".join(from_bregma(atlas.space, axis, c) for axis, c in enumerate(place)))
        return "; ".join(parts)

    return track_file(
        segments, length, f"A track through {title_of(atlas)}", (told(ends[0], first), told(ends[1], last)),
        suffix, dpi,
    )  # fmt: skip


def _name(region: Region) -> str:
    from ccf_assets.pictures.drawing import UNASSIGNED

    return region.name if region.parent else f"{UNASSIGNED} ({region.acronym})"


@command(app, "Ask", "slice", settings=NUMBERS)
def slice_(
    orientation: Annotated[str, typer.Argument(help="coronal, sagittal or horizontal.")],
    output: Annotated[Path, picture_option("The file to write: .png, .svg or .pdf.")],
    position: Annotated[
        float | None,
        typer.Argument(
            help="AP, ML or DV of the plane, in the frame's unit and sign. Not needed with sites: then it is "
            "the plane with most of them."
        ),
    ] = None,
    frame: FrameOption = None,
    sites: Annotated[bool, typer.Option("--sites", help="Draw the recording sites, too.")] = False,
    recording: Annotated[
        list[str] | None, typer.Option("--recording", "-r", help="Draw the sites of this one; repeatable.")
    ] = None,
    within: Annotated[
        float, typer.Option("--within", help="Draw sites at most so many µm from the plane.")
    ] = 250,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            help="Highlight a region, by acronym or id; repeatable.",
            autocompletion=complete.regions,
        ),
    ] = None,
    region_set: Annotated[
        str | None, typer.Option("--set", help="Paint and name the groups of a region set, e.g. beryl.")
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(
            "--values", help="Colour regions by a number: CSV or Parquet of region, value, hemisphere."
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", help="Colour regions by the result of this SQL: columns as in --values."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="What the values are, with their unit; else their column's name."),
    ] = None,
    colormap: Annotated[
        str | None, typer.Option("--colormap", help="Matplotlib's name of the colours of values.")
    ] = None,
    limits: Annotated[
        tuple[float, float] | None, typer.Option("--range", help="Values of the first and the last colour.")
    ] = None,
    dpi: DpiOption = 100,
    width: Annotated[
        float | None,
        typer.Option("--width", help="Of the picture in mm, for a paper: names are 5.5 to 8.5 pt at it."),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Cut off what lies outside the brain's outline.")
    ] = False,
    bare: Annotated[bool, typer.Option("--bare", help="Without title, axes and legend.")] = False,
    force: ForceOption = False,
    atlas: AtlasOption = None,
) -> None:
    """A plane of the atlas as a picture: regions in the Allen colours, with names, axes and a scale.

    Examples: ccf-assets slice coronal 6600 -o coronal.png; ccf-assets slice coronal --frame stereotaxic
    -3500 --sites -o sites.svg; ccf-assets slice coronal --sites --recording "mouse 7" -o mouse_7.pdf
    """
    from ccf_assets.atlas.recording_sites import shown_sites
    from ccf_assets.atlas.section import section, sites_of
    from ccf_assets.pictures.drawing import check_dpi
    from ccf_assets.pictures.plane import plane_file

    check_dpi(dpi)
    if values is not None and query is not None:
        raise CcfError("--values and --query both give values of regions; use one of them.")
    picked = asked_atlas(atlas)
    drawn = section(
        picked,
        cast("Orientation", orientation),  # section refuses another word
        position,
        frame=frame,
        sites=sites_of(shown_sites(picked, recording or None)) if sites or recording else None,
        within_um=within,
        region_set=region_set,
        regions=region or (),
        values=_values(picked, values, query, label, colormap, limits),
    )
    made = plane_file(drawn, output.suffix.lower(), width_mm=width, dpi=dpi, crop=crop, bare=bare)
    _write(output, made, force=force)


def _values(
    atlas: Atlas,
    file: Path | None,
    query: str | None,
    label: str | None,
    colormap: str | None,
    limits: tuple[float, float] | None,
) -> RegionValues | None:
    from ccf_assets.atlas.section import answer_of, values_of

    if file is None and query is None:
        return None
    rows = _read(file) if file is not None else answer_of(atlas, query or "")
    return values_of(atlas, rows, label, colormap, limits)


def _read(file: Path) -> pl.DataFrame:
    """A table of values in a CSV or Parquet file.

    Raises:
        CcfError: it cannot be read.
    """
    import polars as pl

    from ccf_assets.errors import first_line, why
    from ccf_assets.text_columns import decoded

    try:
        raw = file.read_bytes()
        if raw.startswith(b"PAR1"):
            return pl.read_parquet(raw)
        return pl.read_csv(decoded(file, raw).encode(), infer_schema=False)
    except OSError as error:
        raise CcfError(f"{file} cannot be read: {why(error)}.") from None
    except pl.exceptions.PolarsError as error:
        raise CcfError(f"{file} cannot be read as a table: {first_line(error).rstrip('.')}.") from None


def _write(output: Path, content: bytes, *, force: bool) -> None:
    from ccf_assets.files import new_file

    with new_file(output, force=force) as aside:
        aside.write_bytes(content)
    wrote(output)
