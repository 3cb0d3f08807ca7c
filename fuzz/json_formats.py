"""Formats of sites that are JSON or text. The first letter of an input says which of `READERS` reads the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import HEAD_BYTES, Classify, Listing, SiteFormat, Source
from ccf_assets.recordings.formats import channel_locations, meshview, mouselight, pinpoint, xyz_picks
from ccf_assets.recordings.formats.not_sites import NOT_SITES
from fuzz.target import Target

READERS: Mapping[bytes, tuple[SiteFormat, str]] = {
    b"c": (channel_locations.FORMAT, "channel_locations.json"),
    b"x": (xyz_picks.FORMAT, "xyz_picks.json"),
    b"g": (xyz_picks.FORMAT, "geometry.json"),
    b"m": (meshview.FORMAT, "cloud.json"),
    b"n": (mouselight.NEURONS, "neurons.json"),
    b"s": (mouselight.SWC, "neuron.swc"),
    b"p": (pinpoint.FORMAT, "probes.txt"),
}
"""The format, and the name of its file; a geometry lies beside the track `TRACK`."""

TRACK = '{"xyz_picks": [[0, 0, -1000], [100, 0, -4000]]}'

CHANNEL = {
    "x": 1.5,
    "y": -2,
    "z": None,
    "axial": 20.0,
    "lateral": 3,
    "brain_region_id": 5,
    "brain_region": "a",
}

PROBE = {
    "ndim": 2,
    "si_units": "um",
    "contact_positions": [[0, 0], [16, 40]],
    "probe_planar_contour": [[0, 90], [8, -200], [16, 90]],
    "contact_ids": ["e0", "e1"],
    "shank_ids": ["0", "0"],
    "device_channel_indices": [0, -1],
}

NODE = {"sampleNumber": 1, "x": 1.0, "y": 2.0, "z": 3.0, "allenId": 5, "parentNumber": -1, "radius": 1}


def read(data: bytes, folder: Path) -> object:
    """Find the file in its folder, and read it."""
    site_format, name = READERS.get(data[:1], READERS[b"c"])
    (folder / name).write_bytes(data[1:])
    anchor = "xyz_picks.json" if name == "geometry.json" else name
    if anchor != name:
        (folder / anchor).write_text(TRACK)

    def look(of: str, classify: Classify) -> str:
        return classify((folder / of).read_bytes()[:HEAD_BYTES])

    listing = Listing(folder, frozenset({anchor, name}), frozenset(), look)
    for kind in NOT_SITES:
        assert set(kind.find(listing)) <= listing.files
    for found in site_format.find(listing):
        assert {found.anchor, *found.others} <= listing.files
    source = Source(anchor, tuple(folder / each for each in dict.fromkeys((anchor, name))))
    for settings in (FileSettings(folder / "a.toml", "ccf"), FileSettings(folder / "a.toml")):
        table = site_format.read(source, settings)
        assert table.height > 0
        assert list(table.columns) == list(table.names)
        assert all(len(values) == table.height for values in table.columns.values())
        assert table.row_name(table.height - 1)
    return table


def seeds() -> Sequence[bytes]:
    """One good file of each, and some that are known to be refused."""
    space = {"version": 3}
    neuron = {"idString": "AA1", "annotationSpace": space, "soma": NODE, "axon": [NODE], "dendrite": [NODE]}
    good: list[tuple[str, object]] = [
        ("c", {"channel_0": CHANNEL, "channel_1": CHANNEL, "origin": {"bregma": [0, 0, 0]}}),
        ("c", {"channel_0": CHANNEL | {"original_channel_idx": 48}, "origin": {"bregma": [5739, 5400, 332]}}),
        ("x", json.loads(TRACK)),
        ("x", {"xyz_picks": [[1.9885, -2.0865, 0.0505], [2.5035, -1.0435, 4.2395]]}),
        ("g", {"specification": "probeinterface", "version": "0.2", "probes": [PROBE]}),
        ("m", [{"idx": 0, "count": 2, "name": "fimbria", "triplets": [1, 2.5, 3, 4e1, 5, 6], "r": 1}]),
        ("n", {"comment": "", "neurons": [neuron, neuron | {"annotationSpace": {"version": 2.5}}]}),
        ("n", {"neuron": neuron}),
    ]
    text = (
        "ProbeA: ReferenceAtlas CCF, AtlasTransform Qiu2018, Depth 3420, CCF Entry (7190, 7180, 860), "
        "CCF Tip (7480, 7180, 4710), CCF Depth 3860\n"
    )
    return [
        *(f"{letter}{json.dumps(content)}".encode() for letter, content in good),
        b"s# a neuron\n1 1 5483.1 2202.8 6450.4 1.0 -1\n2 3 1 2 3 1 1\n",
        f"p{text}{text.replace('ProbeA', 'B')}".encode(),
        *(letter + 9_000 * b"[" for letter in READERS),
        *(letter + b'{"a": 1, "a": 2}' for letter in READERS),
        *(letter + b'["\\ud800", 1e999, NaN, -Infinity]' for letter in READERS),
        b"c" + b'{"channel_0": ' + 5_000 * b"1" + b"}",
        b"m[" + 2_000 * b'{"triplets":[],"name":null},' + b"3]",
    ]


TARGET = Target(
    read,
    seeds,
    words=(
        *(f'"{name}"' for name in (*CHANNEL, *PROBE, *NODE)),
        *(
            '"channel_2"',
            '"xyz_picks"',
            '"triplets"',
            '"idString"',
            '"annotationSpace"',
            '"version"',
            '"name"',
        ),
        *(
            "NaN",
            "Infinity",
            "null",
            "true",
            "1e999",
            "-0.0",
            "1e308",
            "\\ud800",
            "\\u0000",
            "\\",
            '"',
            ",",
            ":",
        ),
        *(
            "[",
            "]",
            "{",
            "}",
            "[[0, 0, 0]]",
            "9223372036854775808",
            "#",
            "nan",
            "CCF Entry (",
            "ReferenceAtlas ",
        ),
    ),
)
