"""A file of MATLAB with tracks, after a letter that says of which program: A, P (version 2) or S."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io  # type: ignore[import-untyped]

from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.formats import matlab
from fuzz.target import Target

FORMATS = {b"A": matlab.PROBE_CCF, b"P": matlab.PROCESSING, b"S": matlab.PROBE_POINTS}

POINTS = np.array([[824, 264, 286], [830, 300, 280], [840, 340, 270]])


def read(data: bytes, folder: Path) -> object:
    """Read the tracks."""
    path = folder / "probe_points.mat"
    path.write_bytes(data[1:])
    form = FORMATS.get(data[:1], matlab.PROBE_CCF)
    table = form.read(Source("a/probe_points.mat", (path,)), FileSettings(folder / "a.toml"))
    assert table.height
    return table


def structs(*fields: dict[str, object]) -> object:
    """A struct array."""
    made = np.empty((len(fields), 1), [(name, object) for name in fields[0]])
    for row, each in enumerate(fields):
        for name, value in each.items():
            made[name][row, 0] = value
    return made


def saved(variables: dict[str, object], **how: object) -> bytes:
    """A file of version 5."""
    file = io.BytesIO()
    scipy.io.savemat(file, variables, **how)
    return file.getvalue()


def saved_73() -> bytes:
    """A file of version 7.3."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mat"
        with h5py.File(path, "w", userblock_size=512) as file:
            field = file.create_dataset("probe_ccf/points", (1, 2), h5py.ref_dtype)
            for place in range(2):
                one = file.create_dataset(f"#refs#/{place}", data=POINTS.T + place)
                one.attrs["MATLAB_class"] = np.bytes_("double")
                field[0, place] = one.ref
        return path.read_bytes()


def seeds() -> Sequence[bytes]:
    """What each program writes."""
    probes = structs({"points": POINTS, "n": "x"}, {"points": POINTS + 1.5, "n": np.zeros((0, 0))})
    listed = np.empty((2, 3), object)
    coronal = np.empty((1, 3), object)
    coronal[:] = [[POINTS[:, ::-1] + [0, 0, 400], "a", 1]]
    listed[:] = [[POINTS, "a", 1], [POINTS.astype(np.uint16), np.zeros((0, 0)), 1j]]
    vertices = structs({axis: POINTS[:, [place]] for place, axis in enumerate(("ap", "dv", "ml"))})
    annotation = structs({"label": "p", "vertices_ccf": vertices})
    return [
        b"A" + saved({"other": np.eye(2), "probe_ccf": probes}),
        b"A" + saved({"probe_ccf": probes}, do_compression=True),
        b"A" + saved_73(),
        b"A" + saved({"pictures": np.eye(9)}),
        b"P" + saved({"AP_histology_processing": {"annotation": annotation}}),
        b"S" + saved({"pointList": {"pointList": listed}}),
        b"S" + saved({"pointList": {"pointList": coronal}}),
    ]


TARGET = Target(
    read,
    seeds,
    words=(
        "MATLAB 5.0",
        "MATLAB 7.3",
        "IM",
        "MI",
        "probe_ccf",
        "points",
        "pointList",
        "annotation",
        "label",
        "ap",
    ),
)
