"""Sites that were exported as NWB are the same when the file is dropped into the folder of another lab."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets.atlas.export_nwb import export_nwb
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.maps import from_ccf
from ccf_assets.defs.sensors import new_recordings
from ccf_assets_tests.support.recordings_lab import EMPTY, RecordingsLab

pytest.importorskip("ndx_anatomical_localization")

from pynwb import NWBHDF5IO, NWBFile

SITES = (
    "SELECT s.recording_id, s.site_id, s.site_name, s.probe, s.shank, s.channel, s.axial_um, s.lateral_um, "
    "s.kind, r.ccf_id, r.x, r.y, r.z, r.region_id, r.hemisphere, r.status "
    "FROM ccf.recording_site s JOIN ccf.recording_region r USING (recording_id, site_id) "
    "WHERE r.ccf_id = (SELECT ccf_id FROM ccf.atlas WHERE key = 'phantom_50um') ORDER BY 1, 2"
)

HEADER = "recording_id,site_id,x,y,z,probe,shank,channel,axial_um,lateral_um"


def test_recordings_survive_their_export_to_nwb(lab: RecordingsLab) -> None:
    numbers = np.random.default_rng(7)
    points = numbers.uniform((-500, -500, -500), (13_000, 8_200, 11_300), (80, 3))
    points[::2] = numbers.normal((6600, 4000, 5700), 300, (40, 3))
    rows = [
        (
            "mouse 7/day 3" if row < 40 else "mouse 8",
            row * 3 if row < 40 else f"AP{row}",
            *point,
            "imec0" if row % 2 else "imec 1",
            row % 4,
            row if row % 5 else "",
            row * 20.0,
            "",
        )
        for row, point in enumerate(points.tolist())
    ]
    lab.write("a.csv", *rows, header=HEADER)
    lab.serve(new_recordings)
    before = lab.ask(SITES)
    assert {row[-1] for row in before} == {"assigned", "outside_brain", "outside_volume"}
    made = {"m7.nwb": "mouse 7/day 3", "m8.nwb": "mouse 8"}
    for name, recording in made.items():
        export_nwb(lab.engine, recording, lab.folder.with_name(name), "phantom_50um")
    with lab.engine.begin() as connection:
        connection.execute(sa.text(EMPTY))
    for old in ("a.csv", "a.toml"):
        (lab.folder / old).unlink()
    for name in made:
        lab.age(lab.folder.with_name(name).rename(lab.folder / name))
    lab.serve(new_recordings)
    assert lab.ask(SITES) == before
    agreement = lab.ask("SELECT source, compared - agreeing, unknown, passed FROM ccf.recording_agreement")
    assert sorted(agreement) == [(name, 0, 0, True) for name in made]


def test_a_file_in_a_frame_of_its_own_gives_the_same_sites_after_an_export_into_it(
    lab: RecordingsLab,
) -> None:
    """Its electrodes have x, y, z that only the TOML says how to read."""
    points = np.random.default_rng(8).normal((6600, 4000, 5700), 900, (30, 3))
    places = from_ccf(FRAMES["map_ephys"], *points.T)[:, [2, 1, 0]]
    path = lab.folder / "lab.nwb"
    written = NWBFile("a session", "mouse 9", dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc))
    group = written.create_electrode_group("A", "a probe", "unknown", written.create_device("A"))
    for x, y, z in places.tolist():
        written.add_electrode(group=group, location="unknown", x=x, y=y, z=z)
    with NWBHDF5IO(path, "w") as store:
        store.write(written)
    path.with_suffix(".toml").write_text('frame = "map_ephys"')
    outcome = "SELECT name, blocking, sentence FROM ccf.recording_finding ORDER BY name"
    seen = []
    for again in (False, True):
        if again:
            exported = export_nwb(lab.engine, "mouse 9", path, "phantom_50um", in_place=True)
            assert exported.kept_xyz
        lab.age(path)
        lab.age(path.with_suffix(".toml"))
        lab.serve(new_recordings)
        seen.append((lab.ask(SITES), lab.ask(outcome)))
        reported = lab.ask("SELECT count(*) FROM ccf.recording_site WHERE reported_region <> 'unknown'")
        assert (reported[0][0] > 0) is again, "it is read again, with the regions that were written"
    assert len(seen[0][0]) == 30
    assert seen[1] == seen[0]
    assert lab.ask("SELECT DISTINCT frame FROM ccf.recording_site") == [("map_ephys",)]
