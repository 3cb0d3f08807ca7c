"""all_points.csv of brainmapper with points.npy and brainreg.json; or electrodes.tsv of BIDS, after a B."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.formats import bids, brainglobe
from fuzz.npy import saved
from fuzz.target import Target

HEADER = (
    "coordinate_raw_axis_0,coordinate_raw_axis_1,coordinate_raw_axis_2,coordinate_atlas_axis_0,"
    "coordinate_atlas_axis_1,coordinate_atlas_axis_2,structure_name,hemisphere\n"
)
ROWS = '1,2,3,356,52,328,CA1,left\n1,2,3,288,61,288.0,"Primary visual area, layer 5",right\n1,2,3,,1,2,,\n'
ELECTRODES = (
    "name\tprobe_name\tx\ty\tz\tshank_id\tlocation\na\tp\t1\t2\t3\t0\tCA1\nb\tp\tn/a\tn/a\tn/a\tn/a\tn/a\n"
)


def read(data: bytes, folder: Path) -> object:
    """Read the sites; the parts are separated by form feeds in lines of their own."""
    table, *others = data.removeprefix(b"B").split(b"\f\n\f")
    settings = FileSettings(folder / "a.toml")
    if data.startswith(b"B"):
        names = ("sub-1_space-a_electrodes.tsv", "sub-1_space-a_coordsystem.json")
        form = bids.FORMAT
    else:
        names, form = ("all_points.csv", "points.npy", "brainreg.json"), brainglobe.CELLS  # type: ignore[assignment]
    paths = [folder / name for name, _ in zip(names, (table, *others), strict=False)]
    for path, part in zip(paths, (table, *others), strict=False):
        path.write_bytes(part)
    made = form.read(Source(f"a/{names[0]}", tuple(paths)), settings)
    assert {len(column) for column in made.columns.values()} == {made.height}
    return made


def seeds() -> Sequence[bytes]:
    """What the programs write, whole and in part."""
    points = saved(np.array([[356, 52, 328], [288, 61, 288], [0, 0, 0]]) * 25)
    space = {
        f"MicroephysCoordinate{name}": value
        for name, value in (("System", "AllenCCFv3"), ("Units", "um"), ("SystemDescription", "to posterior"))
    }
    made: list[tuple[bytes, ...]] = [
        ((HEADER + ROWS).encode(),),
        ((HEADER + ROWS).encode(), points),
        ((HEADER + ROWS).encode(), points, json.dumps({"atlas": "allen_mouse_25um"}).encode()),
        ((HEADER + ROWS).encode(), points, json.dumps({"atlas": "whs_sd_rat_39um"}).encode()),
        (b"B" + ELECTRODES.encode(),),
        (b"B" + ELECTRODES.encode(), json.dumps(space).encode()),
        (b"B" + ELECTRODES.encode(), json.dumps({**space, "MicroephysCoordinateUnits": [1]}).encode()),
        (b"B" + ELECTRODES.encode(), 9_000 * b"["),
    ]
    return [b"\f\n\f".join(parts) for parts in made]


TARGET = Target(
    read,
    seeds,
    words=(
        *HEADER.strip().split(","), "\f\n\f", "\t", ",", '"', "n/a", "nan", "1e308", "name", "x", "y", "z", "location",
        "CoordinateSystemDescription", "anterior positive", "AllenCCFv3", "atlas", "allen_mouse_10um", "{", "[",
    ),
)  # fmt: skip
