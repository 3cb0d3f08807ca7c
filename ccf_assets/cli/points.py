"""What the command locate does with points: a CSV answered row by row, and what an odd point might be.

Not here: the command itself (ask), and where points lie (atlas.atlas).
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import typer

from ccf_assets import settings
from ccf_assets.cli.options import answer, say
from ccf_assets.errors import CcfError

if TYPE_CHECKING:
    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.ccf.frames.maps import Floats, Frame


def in_um(value: float) -> str:
    """A coordinate to a tenth of a µm, without zeros at the end."""
    return f"{value:.1f}".removesuffix(".0")


def as_read(known: Frame) -> str:
    """In which order a point was read, where its frame has another; empty where it has not."""
    from ccf_assets.ccf.space import AXES

    if known.xyz == AXES:
        return ""
    own = ", ".join(axis.upper() for axis in known.xyz)
    return f"Read as AP, DV, ML, as commands read every point; the frame {known.name} itself has {own}."


def check_frame_files(frame: str | None) -> None:
    """Refuse a lab's own files of frames that are wrong, where a point is in a frame that is not built in.

    Raises:
        CcfError: a file cannot be read or is wrong.
    """
    from ccf_assets.ccf.frames.files import FRAMES, load_frames

    if frame is not None and frame not in FRAMES:
        load_frames(*settings.frames_files())


def what_else(named: Frame, points: Floats, *, in_region: bool) -> str:
    """Which frame or unit points, shape (N, 3), that lie oddly might be in, as the checks of files say it.

    A point in a region is odd only in the voxel of the frame's origin, where mm lie that are read as µm.
    """
    from ccf_assets.ccf.frames.files import load_frames
    from ccf_assets.db import database
    from ccf_assets.db.frames import known_frames
    from ccf_assets.recordings.findings.otherwise import tiny

    if in_region and not tiny(named, points):
        return ""
    from ccf_assets.recordings.intake import other_readings  # 0.3 s, which most points need not wait for

    engine, frames = database.create_engine(), load_frames()
    with contextlib.suppress(CcfError):  # the database has warned of it
        frames = known_frames(engine)
    return other_readings(engine, points, named, frames)


def locate_rows(atlas: Atlas, known: Frame, *, as_json: bool) -> None:
    """Answer a CSV on standard input row by row; its columns are copied to the answer."""
    import numpy as np

    from ccf_assets.atlas.located import beside_polars
    from ccf_assets.cli.stdin import point_columns, read_numbers

    if sys.stdin.isatty():
        raise CcfError("Give a point (AP DV ML), or a CSV on standard input: ccf-assets locate < points.csv")
    rows, coordinates = point_columns(sys.stdin.buffer, known)
    if rows.is_empty():
        raise CcfError("The CSV on standard input has a header and no row.")
    points = np.column_stack(coordinates)
    located = atlas.locate(points, known.name)
    if as_json:
        answer(beside_polars(read_numbers(rows), located).to_dicts())
    else:
        found = beside_polars(rows, located)
        typer.echo(found.write_csv().encode(), nl=False)  # a file, as was given: UTF-8
    if not located.region_id.any():
        hint = what_else(known, points, in_region=False)
        say(f"No point of the CSV lies in a region. {hint}".rstrip())
