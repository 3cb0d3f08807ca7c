"""The command export: tables, the volume of an atlas, and the regions of a recording, as files.

Not here: what is written (atlas.export, atlas.export_volume, atlas.export_nwb, atlas.export_ibl).
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ccf_assets.ccf.space import key_and_space, space_words
from ccf_assets.cli import complete
from ccf_assets.cli.commands import command
from ccf_assets.cli.options import ForceOption, output_option, say, wrote
from ccf_assets.errors import CcfError, UnknownNameError, suggestion
from ccf_assets.finding import counted

app = typer.Typer()

_NWB = "nwb"

_IBL = ("channel_locations", "xyz_picks")
"""With `_NWB`, what is exported of a recording instead of a table."""

_PRECOMPUTED = "precomputed"


@command(app, "Ask")
def export(
    table: Annotated[
        str,
        typer.Argument(
            help="A table of the schema ccf, or electrodes; nwb, channel_locations or xyz_picks; nifti, nrrd "
            "or ome-zarr; precomputed."
        ),
    ],
    of: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECORDING|ATLAS|DIR]",
            help="The recording (nwb, channel_locations, xyz_picks), the atlas (nifti, nrrd, ome-zarr), or "
            "the folder to write (precomputed).",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Of an atlas: the file to write.")
    ] = None,
    output: Annotated[Path | None, output_option("The .parquet or .csv file to write.")] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="With a recording: the file to write.", dir_okay=False)
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="With nwb: write into an existing file of the recording.")
    ] = False,
    probe: Annotated[
        str | None, typer.Option("--probe", help="With channel_locations, xyz_picks: one probe of several.")
    ] = None,
    recording: Annotated[
        list[str] | None,
        typer.Option("--recording", help="With precomputed: only the sites of this one; may be repeated."),
    ] = None,
    meshes: Annotated[
        bool, typer.Option("--meshes", help="With precomputed: the surfaces of all regions, too.")
    ] = False,
    force: ForceOption = False,
    atlas: Annotated[
        str | None,
        typer.Option(
            "--atlas",
            "-a",
            help="Only the rows of this atlas; all if not given. Of a recording, its regions in this atlas.",
            autocompletion=complete.atlases,
        ),
    ] = None,
) -> None:
    """A table as a Parquet or CSV file, ordered by its key; a long table needs no more memory.

    `electrodes` is the table of recording sites as an NWB file has it, in one atlas (the finest if none is
    named): x, y, z are CCF µm from the corner, + is posterior, inferior, right; location is the acronym.

    `nwb` writes the regions of one recording to an NWB file: a small new one, or with --in-place the file
    of the recording itself, whose electrodes are matched by their ids. Their x, y, z are written if they
    have none; other coordinates stay.

    `channel_locations` and `xyz_picks` write the channels, or the track, of one recording as the alignment
    GUI of the IBL has them, one file per shank.

    `nifti`, `nrrd` and `ome-zarr` write the annotation volume of a loaded atlas, every voxel as it is: axes
    AP, DV, ML, to posterior, inferior, right, and in the header where they lie and how large a voxel is.

    `precomputed` writes a folder that any web server shows in a browser, by Neuroglancer: the atlas in its
    colours, the surface of the brain and the recording sites.

    Examples: ccf-assets export region_volume -o volumes.csv; ccf-assets export electrodes -o electrodes.csv;
    ccf-assets export nwb "mouse 7 day 3" --into mouse7.nwb;
    ccf-assets export nifti ccf_2017_25um annotation_25.nii.gz; ccf-assets export precomputed for_the_web
    """
    from ccf_assets.atlas.export import ELECTRODES, comments_of, tables
    from ccf_assets.atlas.export import export as write
    from ccf_assets.atlas.export_volume import FORMS
    from ccf_assets.db import database
    from ccf_assets.db.loaded import pick_atlas

    if table == _PRECOMPUTED:
        other = in_place or any(each is not None for each in (output, into, probe, file))
        _export_precomputed(of, atlas, recording, meshes=meshes, force=force, other=other)
        return
    if recording or meshes:
        raise CcfError(f"--recording and --meshes are for {_PRECOMPUTED}.")
    if table == _NWB:
        other = force or any(each is not None for each in (output, probe, file))
        _export_nwb(of, into, atlas, in_place=in_place, other=other)
        return
    if table in _IBL:
        other = output is not None or in_place or file is not None
        _export_ibl(table, of, into, atlas, probe=probe, force=force, other=other)
        return
    if table in FORMS:
        other = in_place or any(each is not None for each in (output, into, probe, atlas))
        _export_volume(table, of, file, force=force, other=other)
        return
    if table not in tables():
        hint = suggestion(table, [*tables(), _NWB, *_IBL, *FORMS, _PRECOMPUTED])
        raise UnknownNameError(f"There is no table {table!r}; {hint}")
    if output is None or in_place or any(each is not None for each in (probe, of, file, into)):
        raise CcfError(
            f"A table is exported with `ccf-assets export {table} -o FILE`; a recording, --into, "
            f"--in-place and --probe are for {_NWB}, {' and '.join(_IBL)}, an atlas and a file without -o "
            f"for {', '.join(FORMS)}."
        )
    engine = database.create_engine()
    picked = pick_atlas(engine, atlas) if atlas or table == ELECTRODES else None
    rows = write(engine, table, output, picked, force=force)
    where = f" in {key_and_space(picked.key, picked.space)}" if picked else ""
    say(f"{rows:,} rows of {table}{where}")
    if table == ELECTRODES:
        for column, meaning in comments_of(table, picked).items():
            say(f"  {column:12} {meaning}")
    if table == "region_volume":
        say(
            "  Regions with 0 voxels are not drawn in that atlas; the column drawn_as of the view "
            "ccf.region_info names the nearest region that is."
        )
    wrote(output)


def _export_nwb(
    recording: str | None, into: Path | None, atlas: str | None, *, in_place: bool, other: bool
) -> None:
    from ccf_assets.atlas.export_nwb import export_nwb
    from ccf_assets.db import database

    if recording is None or into is None or other:
        raise CcfError(
            "The regions of a recording are exported with `ccf-assets export nwb RECORDING --into FILE.nwb`, "
            "which makes a small new file, or with --in-place changes an existing one."
        )
    written = export_nwb(database.create_engine(), recording, into, atlas, in_place=in_place)
    where = key_and_space(written.atlas.key, written.atlas.space)
    say(f"{counted(written.sites, 'site')}, {written.located:,} of them in a region of {where}")
    if written.kept_xyz:
        say(
            "x, y, z of its electrodes are other coordinates and stay as they are; those in "
            f"{space_words(written.atlas.space)} µm are in the table {written.table}"
        )
    wrote(into)


def _export_ibl(
    what: str,
    recording: str | None,
    into: Path | None,
    atlas: str | None,
    *,
    probe: str | None,
    force: bool,
    other: bool,
) -> None:
    from ccf_assets.atlas.export_ibl import export_channel_locations, export_xyz_picks
    from ccf_assets.db import database

    if recording is None or into is None or other:
        raise CcfError(
            f"For the alignment GUI a recording is exported with `ccf-assets export {what} RECORDING --into "
            f"{what}.json`; --atlas, --probe and --force may follow."
        )
    write = export_channel_locations if what == _IBL[0] else export_xyz_picks
    written = write(database.create_engine(), recording, into, atlas, probe=probe, force=force)
    name = "channel" if what == _IBL[0] else "point"
    left = f"; {counted(written.left_out, name)} without a known place left out" if written.left_out else ""
    where = f", with the regions of {written.atlas.key}" if what == _IBL[0] else ""
    say(f"{counted(written.sites, name)}{where}{left}")
    for path in written.paths:
        wrote(path)


def _export_volume(form: str, atlas: str | None, path: Path | None, *, force: bool, other: bool) -> None:
    from ccf_assets.atlas.export_volume import FORMS, export_volume
    from ccf_assets.db import database

    if atlas is None or path is None or other:
        raise CcfError(
            f"The volume of an atlas is exported with `ccf-assets export {form} ATLAS "
            f"FILE{FORMS[form][0]}`; --force may follow."
        )
    written = export_volume(database.create_engine(), form, path, atlas, force=force)
    voxels = " × ".join(map(str, written.shapes[0]))
    coarser = len(written.shapes) - 1
    more = f", and {counted(coarser, 'coarser level')}" if coarser else ""
    where = key_and_space(written.atlas.key, written.atlas.space)
    say(f"{where}: {voxels} voxels (AP, DV, ML) of {written.atlas.grid.edges}, {written.dtype}{more}")
    wrote(path)


def _export_precomputed(
    folder: str | None,
    atlas: str | None,
    recordings: list[str] | None,
    *,
    meshes: bool,
    force: bool,
    other: bool,
) -> None:
    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.atlas.showing import export_for_web

    if folder is None or other:
        raise CcfError(
            "An atlas and its sites are exported for the web with `ccf-assets export precomputed DIR`; "
            "--atlas, --recording, --meshes and --force may follow."
        )
    path = Path(folder)
    written = export_for_web(Atlas(atlas), path, recordings or None, meshes=meshes, force=force)
    where = key_and_space(written.atlas.key, written.atlas.space)
    left = f" ({written.without_place:,} more without a place)" if written.without_place else ""
    say(f"{where}: {counted(written.regions, 'region')}, {counted(written.sites, 'site')}{left}")
    wrote(path)
    say(f"Look at it: python -m http.server --bind 127.0.0.1 -d {shlex.quote(str(path))} 8000")
    say("and open http://127.0.0.1:8000/ — or put the folder on a web server.")
