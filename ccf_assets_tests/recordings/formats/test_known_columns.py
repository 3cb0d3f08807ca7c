"""Published tables that are told by their columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.known_columns import (
    PRESETS,
    Preset,
    preset_of,
    settings_of,
    with_preset,
)
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.table import Table


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


IBL = ["x", "y", "z", "atlas_id", "axial_um", "lateral_um"]


@pytest.mark.parametrize("own", ["recording_id", "Site_ID"])
def test_a_table_with_a_labs_own_identifiers_is_not_taken_for_that_of_the_ibl(own: str) -> None:
    assert preset_of(IBL)
    assert preset_of([*IBL, own]) is None
    assert preset_of([*IBL, own, "pid"])
    assert preset_of([*IBL, own, "__index_level_0__"])


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
@pytest.mark.parametrize("own", ["ap", "DV", "frame"])
def test_a_table_with_coordinates_of_ours_is_not_taken_for_a_published_one(preset: Preset, own: str) -> None:
    assert preset_of([*preset.needs, own]) is None


def test_a_recording_that_a_lab_adds_where_the_publisher_has_none_is_read() -> None:
    assert preset_of(["recording_id", "ccf_ap", "ccf_dv", "ccf_lr", "allen_ontology"])


def settings(**given: object) -> FileSettings:
    return FileSettings(Path("t.toml"), **given)  # type: ignore[arg-type]


def test_the_frame_of_a_preset_is_not_that_of_other_coordinates() -> None:
    names = [*IBL, "pid", "x_um", "y_um", "z_um"]
    mapped = {"x": "x_um", "y": "y_um", "z": "z_um"}
    assert with_preset(settings(columns=mapped), names).frame is None
    assert with_preset(settings(columns={"x": "x", "y": "y", "z": "z"}), names).frame == "ibl"
    assert with_preset(settings(columns=mapped, frame="ibl_um"), names).frame == "ibl_um"


def channels(ml: list[float]) -> Table:
    """A table of the IBL."""
    made = pl.DataFrame({"pid": ["p"] * len(ml), **{name: [0.001] * len(ml) for name in IBL}, "x": ml})
    return Table("channels.csv", made.columns, made.to_dict(), made.height, lambda row: f"line {row + 2}")


def test_coordinates_that_cannot_be_metres_are_refused() -> None:
    assert settings_of(channels([0.0057, float("nan"), float("inf"), -0.0057]), settings()).frame == "ibl"
    with pytest.raises(
        CcfError, match=r"not beyond 0.02; but in line 3, x is -2243. Write the frame"
    ) as refused:
        settings_of(channels([0.0057, -2243]), settings())
    assert 'at the top of t.toml:\n    frame = "NAME"' in str(refused.value)
    assert settings_of(channels([-2243]), settings(frame="ibl_um")).frame == "ibl_um"


def test_the_frame_that_a_format_states_stays() -> None:
    assert settings_of(replace(channels([0.0057]), frame="ccf_mm"), settings()).frame is None


def test_the_channels_of_the_ibl_have_their_regions(ccf_cases, volume_25) -> None:
    table = pl.read_parquet(ccf_cases("formats/ibl_channels_parquet/channels_bwm_4probes.pqt"))
    preset = preset_of(table.columns)
    assert preset
    made = renamed(table, preset)
    found = volume_25.regions(made)
    assert found == table["atlas_id"].abs().to_list()
    read = Table("t", table.columns, table.to_dict(), table.height, str)
    assert settings_of(read, settings()).columns["recording_id"] == "__index_level_0__"
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
