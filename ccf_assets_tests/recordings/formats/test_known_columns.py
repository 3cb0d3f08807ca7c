"""Published tables that are told by their columns."""

from __future__ import annotations

import polars as pl
import pytest

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.known_columns import PRESETS, Preset, preset_of


def renamed(table: pl.DataFrame, preset: Preset) -> Table:
    """A table with the names of ours."""
    columns = {ours: table[theirs] for ours, theirs in preset.columns_of(table.columns).items()}
    return Table("t", list(columns), columns, table.height, str, preset.frame)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_has_a_frame_and_coordinates_among_what_it_needs(preset: Preset) -> None:
    assert preset.frame in FRAMES
    there = preset.columns_of(preset.needs)
    assert {"ap", "dv", "ml"} <= set(there) or {"x", "y", "z"} <= set(there)
    assert preset_of(preset.needs) is preset


def test_an_ordinary_table_has_none() -> None:
    assert preset_of(["recording_id", "site_id", "x", "y", "z", "atlas_id"]) is None


def test_the_channels_of_the_ibl_have_their_regions(ccf_cases, volume_25) -> None:
    table = pl.read_parquet(ccf_cases("formats/ibl_channels_parquet/channels_bwm_4probes.pqt"))
    preset = preset_of(table.columns)
    assert preset
    made = renamed(table, preset)
    found = volume_25.regions(made)
    assert found == table["atlas_id"].abs().to_list()
    assert (len(found), found.count(0)) == (1536, 14)
    assert {"recording_id", "site_id", "channel", "axial_um", "lateral_um"} <= set(made.columns)


def test_the_channels_of_the_allen_institute_have_a_sign_for_no_place(ccf_cases) -> None:
    table = pl.read_csv(ccf_cases("formats/allen_channels_csv/channels.csv"))
    preset = preset_of(table.columns)
    assert preset
    assert preset.frame == "ccf"
    made = renamed(table, preset)
    coordinates = pl.DataFrame([made.columns[axis] for axis in ("ap", "dv", "ml")])
    assert coordinates.filter(pl.all_horizontal(pl.all() == -1)).height == 24
    assert preset.columns_of(table.columns)["site_id"] == "id"
