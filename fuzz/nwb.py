"""An NWB file, in HDF5 or as a folder of Zarr: the electrodes and their localization.

A folder is, after a ``Z``, its files one after the other: the path, a NUL, how many bytes (four digits of
hexadecimal) and these.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ccf_assets.recordings.files.settings import OURS, FileSettings
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.formats.nwb import NWB
from fuzz.target import Target

ELECTRODES = "general/extracellular_ephys/electrodes"

LOCALIZATION = "general/localization"

COLUMNS: dict[str, Any] = {
    "id": [3, 1, 2],
    "location": ["VISp", "", "unknown"],
    "group_name": ["imec0", "imec0", "imec1"],
    "x": [8900.0, 0.0, np.nan],
    "y": [1300.0, 0.0, 1.0],
    "z": [8200.0, 0.0, 1.0],
    "rel_x": [1.0, 2.0, 3.0],
    "channel_name": ["AP0", "AP1,LF1", "2"],
}


def read(data: bytes, folder: Path) -> object:
    """Read the table and its digest."""
    path = folder / "a.nwb"
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    if data.startswith(b"Z"):
        _lay(data[1:], path)
    else:
        path.write_bytes(data)
    source = Source("a.nwb", (path,))
    table = NWB.read(source, FileSettings(path.with_suffix(".toml"), keep=("imp", "location")))
    assert {"x", "y", "z", "site_id", "recording_id"} <= set(table.columns)
    assert {len(column) for column in table.columns.values()} == {table.height}
    assert NWB.digest
    assert len(NWB.digest(source)) == len("e3b0c44298fc1c14" * 4)
    return table


def _lay(data: bytes, root: Path) -> None:
    root.mkdir()
    while data:
        name, _, rest = data.partition(b"\0")
        try:
            size, path = int(rest[:4], 16), root / name.decode()
            if not path.resolve().is_relative_to(root.resolve()):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(rest[4 : 4 + size])
        except (ValueError, OSError):
            return
        data = rest[4 + size :]


def _file(localized: bool = True, exported: bool = False, **how: Any) -> bytes:  # noqa: ANN401
    """An HDF5 file, of columns stored in some way."""
    raw = io.BytesIO()
    with h5py.File(raw, "w") as file:
        file["identifier"] = "m1"
        table = file.create_group(ELECTRODES)
        for name, values in COLUMNS.items():
            text = {"dtype": h5py.string_dtype()} if isinstance(values[0], str) else {}
            table.create_dataset(name, data=values, **{**text, **how})
        if localized:
            place = file.create_group(LOCALIZATION)
            space = {"space_name": "AllenCCFv3", "orientation": "PIR", "units": "um", "origin": "corner"}
            place.create_group("Space").attrs.update(space)
            rows = place.create_group("Table")
            for axis in "xyz":
                rows[axis] = [1.0, 2.0]
            rows["localized_entity"] = [0, 2]
            rows["localized_entity"].attrs["table"] = table.ref
            rows["space"] = h5py.SoftLink(f"/{LOCALIZATION}/Space")
            if exported:
                rows.attrs["method"] = "ccf_assets 0.2.0: region of the voxel at the point"
    return raw.getvalue()


def _folder(**changed: Any) -> bytes:  # noqa: ANN401
    """A folder of Zarr with the electrodes; ``changed`` are metadata of x."""
    files = {".zgroup": b'{"zarr_format": 2}'}
    for part in ("general", "general/extracellular_ephys", ELECTRODES):
        files[f"{part}/.zgroup"] = files[".zgroup"]
    for name, values in COLUMNS.items():
        is_text = isinstance(values[0], str)
        about = {"zarr_format": 2, "shape": [3], "chunks": [3], "compressor": None, "fill_value": 0}
        about |= {"dtype": "|O", "filters": [{"id": "vlen-utf8"}]} if is_text else {"filters": None}
        if not is_text:
            about["dtype"] = np.asarray(values).dtype.str
        raw = np.asarray(values).tobytes()
        if is_text:
            texts = [each.encode() for each in values]
            raw = b"".join(
                [n.to_bytes(4, "little") + b for n, b in ((3, b""), *((len(t), t) for t in texts))]
            )
        about |= changed if name == "x" else {}
        files[f"{ELECTRODES}/{name}/.zarray"] = json.dumps(about).encode()
        files[f"{ELECTRODES}/{name}/0"] = raw
    return b"Z" + b"".join(f"{name}\0{len(raw):04x}".encode() + raw for name, raw in files.items())


def seeds() -> Sequence[bytes]:
    """Files and folders of all ways to store a column."""
    return [
        _file(),
        _file(localized=False),
        _file(exported=True),
        _file(chunks=(2,), maxshape=(None,)),
        _file(chunks=(3,), compression="gzip"),
        _folder(),
        *(_folder(compressor={"id": name}) for name in ("blosc", "zstd", "gzip", "lz4", "pickle")),
        _folder(filters=[{"id": "delta"}]),
        _folder(shape=[2**40]),
        b"\x89HDF\r\n\x1a\n",
    ]


TARGET = Target(
    read,
    seeds,
    words=(
        *OURS,
        *(
            "Table",
            "Space",
            "localized_entity",
            "brain_region",
            "method",
            "ccf_assets ",
            "AllenCCFv3",
            "IBLBregma",
            "PIR",
            "RAS",
            "ASL",
        ),
        *(
            ".zarray",
            ".zattrs",
            ".zgroup",
            "zarr.json",
            "vlen-utf8",
            "zarr_link",
            "compressor",
            "GCOL",
            "TREE",
        ),
    ),
)
