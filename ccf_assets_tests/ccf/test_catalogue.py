"""The catalogue: numbers and keys that never change, grids that span the CCF, and help with a wrong key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccf_assets.ccf.catalogue import (
    ALLEN,
    BUILT_IN,
    FIRST_OWN_ID,
    PHANTOM,
    AtlasEntry,
    atlas_entry,
    default_atlases,
    read_built_in,
)
from ccf_assets.ccf.space import ALLEN_CCF, EXTENT_UM, MIDLINE_UM
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.grids import ccf_grid, edge_of

ENTRY = """
[one]
ccf_id = 1
version = "v"
resolution_um = 100
shape = [132, 80, 114]
path = "one.nrrd"
"""


def built_in(folder: Path, text: str) -> Path:
    path = folder / "atlases.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_numbers_of_the_official_atlases_are_fixed() -> None:
    numbers = {(e.version, e.resolution_um): e.ccf_id for e in BUILT_IN.values() if not e.is_phantom}
    assert numbers == {
        ("CCFv3 2017", 25): 1, ("CCFv3 2017", 10): 2, ("CCFv3 2017", 50): 3, ("CCFv3 2017", 100): 4,
        ("CCFv3 2015", 25): 5, ("CCFv3 2015", 10): 6, ("CCFv3 2015", 50): 7, ("CCFv3 2015", 100): 8,
        ("CCFv3 2016", 25): 9, ("CCFv3 2016", 10): 10, ("CCFv3 2016", 50): 11, ("CCFv3 2016", 100): 12,
        ("CCFv3 2022", 25): 13, ("CCFv3 2022", 10): 14, ("CCFv3 2022", 50): 15, ("CCFv3 2022", 100): 16,
        ("Allen-CCF-2020 (ABC atlas)", 10): 17,
    }  # fmt: skip
    phantoms = {e.resolution_um: e.ccf_id for e in BUILT_IN.values() if e.is_phantom}
    assert phantoms == {25: 901, 10: 902, 50: 903, 100: 904}
    assert all(e.ccf_id < FIRST_OWN_ID for e in BUILT_IN.values())


def test_a_key_tells_the_version_and_the_resolution() -> None:
    for key, entry in BUILT_IN.items():
        assert key == entry.key
        version = "phantom" if entry.is_phantom else entry.version.lower().replace("ccfv3 ", "ccf_")
        if entry.ontology not in (ALLEN, PHANTOM):
            version = "abc_2020"
        assert key == f"{version}_{entry.resolution_um:g}um"


def test_every_grid_spans_the_ccf_and_is_divided_by_the_midline() -> None:
    assert MIDLINE_UM == 5700
    for entry in BUILT_IN.values():
        assert entry.grid == ccf_grid(edge_of(entry.key))
        assert entry.grid.extent_um == EXTENT_UM
        assert MIDLINE_UM % edge_of(entry.key) == 0
        assert entry.space == ALLEN_CCF.name


def test_the_defaults_are_those_of_the_readme() -> None:
    assert {e.key: e.voxel_rows for e in default_atlases(phantom=False)} == {
        "ccf_2017_25um": False,
        "ccf_2017_50um": True,
        "ccf_2017_100um": True,
    }
    assert {e.key: e.voxel_rows for e in default_atlases(phantom=True)} == {
        "phantom_25um": False,
        "phantom_50um": True,
        "phantom_100um": True,
    }


def test_texts_fit_their_columns_and_the_phantom_never_passes_for_the_atlas() -> None:
    for entry in BUILT_IN.values():
        assert len(entry.version) <= 64
        assert len(entry.description) <= 255
        assert f"{edge_of(entry.key)} µm" in entry.description
        assert entry.is_phantom == ("phantom" in entry.description.lower())
        assert entry.is_phantom == ("not the Allen CCF" in entry.description)
        assert entry.is_phantom == ("phantom" in entry.annotation)


def test_official_files_are_pinned_and_only_a_reported_checksum_is_not_binding() -> None:
    """Those of 2017; of the others nobody has published a checksum, and no header of theirs is relied on."""
    for entry in BUILT_IN.values():
        if entry.version != "CCFv3 2017":
            assert entry.sha256 is None
            assert entry.is_canonical == entry.is_phantom
        else:
            assert entry.is_canonical
            assert entry.sha256 is not None
            assert len(entry.sha256) == 64
            assert entry.checksum_from == ("report" if entry.resolution_um == 10 else "file")


def test_the_pinned_checksums_are_those_published_beside_the_files(ccf_data) -> None:
    lines = ccf_data("SHA256SUMS").read_text("utf-8").splitlines()
    published = {name.removeprefix("./").removeprefix("*"): sha for sha, name in map(str.split, lines)}
    for entry in default_atlases(phantom=False):
        assert published[entry.annotation] == entry.sha256
        assert ccf_data(entry.annotation).stat().st_size == entry.size_bytes


def test_a_wrong_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(CcfError, match=r"no atlas 'ccf_2017_25'.*did you mean ccf_2017_25um"):
        atlas_entry("ccf_2017_25")


def test_a_key_like_none_is_answered_with_all() -> None:
    with pytest.raises(CcfError) as refused:
        atlas_entry("?")
    assert all(key in str(refused.value) for key in BUILT_IN)


def test_a_key_gives_its_entry() -> None:
    assert atlas_entry("ccf_2017_25um") is BUILT_IN["ccf_2017_25um"]


def test_an_entry_of_a_catalogue_is_read(tmp_path: Path) -> None:
    assert read_built_in(built_in(tmp_path, ENTRY)) == {
        "one": AtlasEntry("one", 1, "v", "one.nrrd", grid=ccf_grid(100))
    }


def test_two_entries_with_one_number_are_refused(tmp_path: Path) -> None:
    path = built_in(tmp_path, ENTRY + ENTRY.replace("[one]", "[two]"))
    with pytest.raises(CcfError, match="two and one both have ccf_id 1"):
        read_built_in(path)


def test_a_grid_that_does_not_span_the_ccf_is_refused(tmp_path: Path) -> None:
    path = built_in(tmp_path, ENTRY.replace("132, 80, 114", "132, 114, 80"))
    with pytest.raises(CcfError, match=r"one has shape \(132, 114, 80\) at 100 µm"):
        read_built_in(path)


def test_the_catalogue_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        BUILT_IN["new"] = BUILT_IN["ccf_2017_25um"]  # type: ignore[index]
