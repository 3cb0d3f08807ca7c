"""A `.npy` of points: the positions of an ALF folder, with attributes beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.formats import alf
from fuzz.target import Target


def read(data: bytes, folder: Path) -> object:
    """Read the channels; the file is the positions and, of as many rows, the numbers and the regions."""
    names = ("channels.mlapdv.npy", "channels.rawInd.npy", "channels.acronym.npy")
    parts = data.split(b"\f\n\f")
    paths = [folder / name for name, _ in zip(names, parts, strict=False)]
    for path, part in zip(paths, parts, strict=False):
        path.write_bytes(part)
    table = alf.FORMAT.read(
        Source("a/probe00/channels.mlapdv.npy", tuple(paths)), FileSettings(folder / "a.toml")
    )
    assert {len(column) for column in table.columns.values()} == {table.height}
    return table


def saved(values: object) -> bytes:
    """A `.npy`."""
    file = io.BytesIO()
    np.save(file, np.asarray(values))
    return file.getvalue()


def seeds() -> Sequence[bytes]:
    """Numbers and texts of all kinds, one, two and three files."""
    points = np.arange(12.0).reshape(4, 3)
    kinds = (np.int32, ">i2", np.float32, np.float16, np.uint64, ">f8")
    return [
        *(saved(points.astype(kind)) for kind in kinds),
        saved(np.asfortranarray(points)),
        b"\f\n\f".join([saved(points), saved(np.arange(4)), saved(["VISp", "CA1", "", "root"])]),
        b"\f\n\f".join([saved(points), saved(np.arange(4.0)), saved(np.array([b"a", b"\xff", b"", b"b"]))]),
        saved(points).replace(b"(4, 3)", b"(4,-3)"),
        b"\x93NUMPY\2\0" + (9_000).to_bytes(4, "little") + 9_000 * b"(",
    ]


TARGET = Target(
    read,
    seeds,
    words=(
        "'descr'",
        "'<f8'",
        "'|O'",
        "'fortran_order'",
        "True",
        "'shape'",
        "(4, 3)",
        "(",
        "[",
        "\x93NUMPY\x01\x00",
    ),
)
