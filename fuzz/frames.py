"""A lab's own frames: TOML; then each frame is stored, used and turned round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import ccf_assets
from ccf_assets.ccf.frames import files, maps
from ccf_assets.db import frames
from fuzz.target import HOSTILE_TOML, TOML_WORDS, Target

BUILT_IN = Path(ccf_assets.__file__).parent / "ccf/frames/frames.toml"

POINT = (8900.0, 1300.0, 8200.0)


def read(data: bytes, folder: Path) -> object:
    """Read frames; what is taken must be a map that can be gone both ways."""
    path = folder / "frames.toml"
    path.write_bytes(data)
    known = files.load_frames(path)
    for each in known.values():
        there = maps.from_ccf(each, *POINT, surface_y=500.0)
        x, y, z = there.T
        back = maps.to_ccf(each, x, y, z, surface_y=500.0)
        assert np.isfinite(there).all()
        assert np.allclose(back, POINT, atol=1.0) or np.abs(each.affine).max() > 1e6
    return frames.frame_rows(known)


def seeds() -> Sequence[bytes]:
    """Each built-in frame under another name, and explicit ones."""
    tables = ["[" + table for table in BUILT_IN.read_text("utf-8").split("\n[")[1:]]
    own = [table.replace("[", "[my_", 1) for table in tables]
    affine = (
        '[a]\ndescription = "d"\nsource = "s"\nxyz = ["ml", "ap", "dv"]\nunit = "steps"\ndv_from = "surface"\n'
        "affine = [[0, 0, 1e3, 5700], [0, -1.5, 0, 0], [-1, 0, 0, 0x10]]\n"
    )
    parts = (
        '[b]\ndescription = "d"\nsource = "s"\nxyz = ["ap", "dv", "ml"]\nunit = "µm"\nunit_um = 1\n'
        'dv_from = "bregma"\nap = "anterior"\ndv = "up"\nml = "left"\norigin_um = [5400, 0, 5700]\n'
        'scale = [1.03, 0.97, 1]\ntilt_deg = 5\norder = ["tilt", "scale"]\nshift_um = [0.5, 0, 0]\n'
    )
    values = (toml.partition("=")[2] for toml in HOSTILE_TOML if toml.startswith("a ="))
    hostile = (
        *HOSTILE_TOML,
        *(parts.replace("5400", value) for value in values),
        *(
            parts.replace(word, 3_000 * word)
            for word in ("ap", "bregma", "scale", '"d"', "µm", "[b]", "tilt_deg", "5")
        ),
    )
    return [
        text.encode()
        for text in (*own, tables[0], affine, parts, affine + parts, "a = 1\n", "[a]\n", *hostile)
    ]


TARGET = Target(
    read,
    seeds,
    words=(
        *(
            "description",
            "source",
            "unit_um",
            "origin_um",
            "scale",
            "tilt_deg",
            "order",
            "shift_um",
            "affine",
            "xyz",
        ),
        *(
            "anterior",
            "posterior",
            "down",
            "up",
            "right",
            "left",
            "corner",
            "bregma",
            "surface",
            "unit",
            "dv_from",
        ),
        *(
            "1e308",
            "1e-308",
            "inf",
            "nan",
            "-0.0",
            "89.9999",
            "0x7fffffffffffffff",
            "1" + 20 * "0",
            '"ap"',
            '"dv"',
        ),
        *TOML_WORDS,
    ),
)
