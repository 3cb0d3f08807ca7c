"""A file of recording sites as CSV with its settings: the TOML, a form feed, the CSV. Then its findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

import ccf_assets
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.recordings.files.settings import OURS
from ccf_assets.recordings.files.table import SITES_SCHEMA
from ccf_assets.recordings.findings.look import site_findings
from ccf_assets.recordings.scan.read import read_sites
from fuzz.target import HOSTILE_TOML, TOML_WORDS, Target

EXAMPLES = Path(ccf_assets.__file__).parent / "recordings/examples"

ROWS = "recording_id,site_id,ap,dv,ml,frame,reported_region\na,1,8900,1300,8200,ccf,VISp\na,2,-1e3,nan,inf,ibl,\n"
XYZ = "Subject,n,x_m,y_m,z_m\nM7,12.0,0.001,-0.002,-0.003\nM7,13,,1e308,-0.0\n"
SETTINGS = (
    'frame = "ibl"\n[columns]\nrecording_id = "Subject"\nsite_id = "n"\n'
    'x = "x_m"\ny = "y_m"\nz = "z_m"\nreported_region = ""\n'
)


def in_brain(points: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """A ball in the middle of the volume."""
    return np.asarray(((points - [6600, 4000, 5700]) ** 2).sum(axis=1) < 3000**2)


def surface_y(x: Floats, z: Floats) -> Floats:
    """A flat surface, with none on the left."""
    return np.where(z > 3000, 1000.0, np.nan) + 0 * x


def looked_at(path: Path) -> pl.DataFrame:
    """Read a file of sites and look for what is wrong with them."""
    sites = read_sites(path.parent, path.name, FRAMES)
    assert sites.schema == SITES_SCHEMA
    assert sites.height > 0
    for finding in site_findings(sites, FRAMES, in_brain, surface_y):
        assert finding.sentence
        assert "\0" not in finding.sentence
    return sites


def read(data: bytes, folder: Path) -> object:
    """Read the sites with the settings."""
    settings, _, rows = data.partition(b"\f")
    (folder / "sites.toml").write_bytes(settings)
    path = folder / "sites.csv"
    path.write_bytes(rows)
    return looked_at(path)


def seeds() -> Sequence[bytes]:
    """The examples, cut to some lines, and other forms of rows and settings."""
    made = [
        ("", ROWS),
        (SETTINGS, XYZ),
        ('frame = "ccf"\n', '"recording_id","x","y","z"\r\n"a ""b"", c",1,2,3\r\n\r\nd,4,5,6\r\n'),
        ('frame = "ccf"\n', "recording_id;x;y;z\na;1,5;2;3\n"),
        ('frame = "ccf"\n', "recording_id\tx\ty\tz\na\t1\t2\t3\n"),
        ('frame = "stereotaxic"\n', "recording_id,AP,DV,ML\na,1,2\n"),
        ('frame = "cfc"\n', "recording_id,ap,dv,ml\na,1,2,3"),
        ("frame = 1\ncolums = {}\n", ROWS),
        ("columns = 3\n", ROWS),
        ('[columns]\nx = "q"\ny = "q"\n', XYZ),
        ("", ROWS.replace("\n", "\r")),
        ("", "\ufeff" + ROWS + '"\n'),
        *((toml, ROWS) for toml in HOSTILE_TOML),
        *((f"frame = 'ccf'\n[columns]\n{toml[:8_000]}", ROWS) for toml in HOSTILE_TOML),
        (f"frame = '{5_000 * 'ccf'}'", ROWS),
        (f"frame = 'ccf'\n[columns]\nap = '{9_000 * 'q'}'", ROWS),
        *(
            ("", ROWS.replace(cell, 3_000 * cell))
            for cell in ("VISp", "a,", "8900", "1,", "ccf,", ",reported", "site_id,", "\n")
        ),
        ('frame = "ccf"', f"{2_000 * 'x,'}recording_id\n{2_000 * '1,'}a\n"),
    ]
    examples = [
        (path.with_suffix(".toml").read_text(), "".join(path.read_text().splitlines(keepends=True)[:12]))
        for path in sorted(EXAMPLES.glob("*.csv"))
    ]
    return [f"{toml}\f{rows}".encode() for toml, rows in (*examples, *made)]


TARGET = Target(
    read,
    seeds,
    words=(
        *OURS,
        *FRAMES,
        *(
            "frame = ",
            "[columns]",
            "\f",
            "\n",
            "\r\n",
            "\r",
            '"',
            '""',
            ",",
            ";",
            "\t",
            "nan",
            "inf",
            "1e308",
            "-0.0",
        ),
        *("2147483647", "2147483648", "12.0", "1,5", "\ufeff", "\u00e9", "\u0660", "none", "N/A"),
        *TOML_WORDS,
    ),
)
