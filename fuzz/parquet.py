"""A file of recording sites as Parquet, without compression or checksums so that changed bytes are read."""

from __future__ import annotations

import datetime as dt
import decimal
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from ccf_assets.recordings.files.settings import OURS
from fuzz.sites import looked_at
from fuzz.target import Target

IDS: Sequence[pa.Array] = (
    pa.array(["a", "b", "c"]),
    pa.array(["a", None, "a"]).dictionary_encode(),
    pa.array(["a", "b", "c"], pa.large_string()),
    pa.array(["a", "b", "c"], pa.string_view()),
    pa.array([1, 2, 3], pa.uint64()),
    pa.array([1.0, 2.5, None]),
    pa.array([b"a", b"\xff", b"c"]),
    pa.array([[1], [], None], pa.list_(pa.int8())),
    pa.array([{"a": 1}, None, {"a": 2}]),
    pa.array([dt.datetime(2020, 1, 1), None, None]),
    pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("2.5")]),
    pa.array([True, False, None]),
    pa.nulls(3),
)

NUMBERS: Sequence[pa.Array] = (
    pa.array([1.0, float("nan"), float("inf")]),
    pa.array([1, 2, 3], pa.int16()),
    pa.array([1.0, None, 2.0], pa.float32()),
    pa.array([1.0, None, 2.0], pa.float16()),
    pa.array(["1", " 2.5 ", "n/a"]),
    pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("2.5")], pa.decimal256(50, 3)),
    pa.array([1, None, 3], pa.duration("ns")),
)


def read(data: bytes, folder: Path) -> object:
    """Read the sites; what the file does not say is said in the settings."""
    (folder / "sites.toml").write_text('frame = "ccf"\n')
    path = folder / "sites.parquet"
    path.write_bytes(data)
    return looked_at(path)


def written(columns: dict[str, pa.Array], **how: object) -> bytes:
    """A Parquet file."""
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, **{"compression": "none", **how})
    return file.getvalue()


def seeds() -> Sequence[bytes]:
    """Tables of all kinds of columns, and some ways to write one."""
    numbers = NUMBERS[0]
    xyz = {"x": numbers, "y": numbers, "z": numbers}
    plain = {"recording_id": IDS[0], "site_id": NUMBERS[1], **xyz, "frame": pa.array(["ccf", "ibl", None])}
    ways: Sequence[dict[str, object]] = (
        {},
        {"store_schema": False, "write_statistics": False},
        {"use_dictionary": False, "data_page_version": "2.0"},
        {"row_group_size": 1, "write_page_index": True},
        {"compression": "snappy"},
        {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
    )
    plain_text = {"recording_id": IDS[0], "x": IDS[0], "y": IDS[0], "z": IDS[0]}
    return [
        *(written(plain if "column_encoding" not in way else plain_text, **way) for way in ways),
        *(written({"recording_id": ids, "reported_region": ids, **xyz}) for ids in IDS),
        *(written({"recording_id": IDS[0], "site_id": n, "ap": n, "dv": n, "ml": n}) for n in NUMBERS),
        written({"recording_id": IDS[0], "X": numbers}),
        b"PAR1PAR1",
    ]


TARGET = Target(
    read, seeds, words=(*OURS, "PAR1", "ARROW:schema", "\x15\x02", "\x19\x1c", "\x00\x00\x00\x80")
)
