"""Every voxel that a viewer serves is the atlas's, at every scale; nothing is served without the token."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import nrrd
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.ccf.space import Space
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.db.loaded import loaded_atlases
from ccf_assets.view import pyramid
from ccf_assets.view.viewing import View
from ccf_assets_tests.support.made_atlas import MadeAtlas

KEY = "phantom_50um"

Volume = npt.NDArray[np.uint32]


def _get(view: View, path: str) -> bytes:
    """A file that the page asks for, over HTTP."""
    address = view.url.replace("/v/", "/ccf/") + path
    with urllib.request.urlopen(address) as answer:
        content: bytes = answer.read()
    return content


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _chunks(shape: tuple[int, int, int]) -> list[tuple[slice, slice, slice]]:
    starts = [range(0, voxels, pyramid.CHUNK) for voxels in shape]
    return [
        tuple(slice(a, min(a + pyramid.CHUNK, n)) for a, n in zip((i, j, k), shape, strict=True))  # type: ignore[misc]
        for i in starts[0]
        for j in starts[1]
        for k in starts[2]
    ]


def _name(place: tuple[slice, ...]) -> str:
    return "_".join(f"{part.start}-{part.stop}" for part in place)


def _compare(view: View, layer: str, volumes: list[Volume], most: int | None = None) -> None:
    """Every chunk of every scale, or so many by lot, against these volumes."""
    info = json.loads(_get(view, f"{layer}/info"))
    assert [scale["size"] for scale in info["scales"]] == [list(volume.shape) for volume in volumes]
    lot = np.random.default_rng(18)
    for scale, volume in zip(info["scales"], volumes, strict=True):
        places = _chunks(volume.shape)  # type: ignore[arg-type]
        for number in lot.permutation(len(places))[:most]:
            place = places[number]
            voxels = np.frombuffer(_get(view, f"{layer}/{scale['key']}/{_name(place)}"), "<u4")
            assert np.array_equal(voxels.reshape(volume[place].shape, order="F"), volume[place])


def test_each_chunk_has_the_voxels_of_the_atlas_and_coarser_atlases_are_the_coarser_scales(
    phantom_database: sa.Engine,
) -> None:
    fine, coarse = Atlas(KEY), Atlas("phantom_100um")
    with fine.view() as view:
        assert json.loads(_get(view, "atlas/info"))["scales"][0]["resolution"] == [50_000] * 3
        _compare(view, "atlas", [fine.volume(), coarse.volume()])


def test_without_a_coarser_atlas_a_scale_has_every_second_voxel_the_middle_one_as_it_is(
    phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramid, "_COARSEST", 40)
    monkeypatch.setattr(pyramid, "CACHE_BYTES", 100_000)  # less than a scale: runs are read again
    atlas = Atlas("phantom_100um")
    volume = atlas.volume()
    with atlas.view() as view:
        _compare(view, "atlas", [volume, volume[1::2, 1::2, 1::2], volume[2::4, 2::4, 2::4]])


def test_the_real_atlas_is_served_voxel_by_voxel(
    real_database: sa.Engine, ccf_data: Callable[[str], Path]
) -> None:
    files = [f"annotation/ccf_2017/annotation_{edge}.nrrd" for edge in (50, 100)]
    with Atlas("ccf_2017_50um").view() as view:
        _compare(view, "atlas", [nrrd.read(str(ccf_data(file)))[0] for file in files], most=6)


def test_edges_that_differ_and_ids_beyond_two_billion_are_served_as_they_are(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramid, "_COARSEST", 5)
    lot = np.random.default_rng(3)
    volume = lot.choice(np.array([0, 7, 9, 3_000_000_000], np.uint32), size=(9, 7, 11))
    grid = VoxelGrid((9, 7, 11), (39.0625, 20.0, 10.0))
    rat = Space("rat", "Rattus norvegicus", grid.extent_um, None, "made by a test")
    MadeAtlas(1001, volume, grid, rat).put(database)
    with Atlas("made_1001").view() as view:
        _compare(view, "atlas", [volume, volume[1::2, 1::2, 1::2][:4, :3, :5]])


@pytest.mark.parametrize(
    "path",
    [
        "atlas/0/0-64_0-64_0-63",
        "atlas/0/1-65_0-64_0-64",
        "atlas/9/0-64_0-64_0-64",
        "atlas/0/../info",
        "no/info",
    ],
)
def test_what_is_no_file_of_the_viewer_is_not_found(phantom_database: sa.Engine, path: str) -> None:
    with Atlas(KEY).view() as view:
        assert _status(view.url.replace("/v/", "/ccf/") + path) == 404


def test_a_wrong_token_gets_nothing_and_other_machines_cannot_connect(phantom_database: sa.Engine) -> None:
    with Atlas(KEY).view() as view:
        token = view.url.rstrip("/").rpartition("/")[2]
        assert len(token) == 40
        assert _status(view.url) == 200
        for address in (view.url, f"{view.url.replace('/v/', '/ccf/')}atlas/info"):
            assert _status(address.replace(token, "0" * 40)) == 404
        port = int(view.url.split(":")[2].partition("/")[0])
        # All of 127.0.0.0/8 is this machine, but only the one address is listened on.
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=5)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_atlas_that_was_loaded_again_is_not_served_as_the_old_one(phantom_database: sa.Engine) -> None:
    with Atlas(KEY).view() as view:
        with phantom_database.begin() as connection:
            connection.exec_driver_sql("DELETE FROM ccf.brain_surface WHERE ccf_id = 903")
        assert loaded_atlases(phantom_database)[0].key == "phantom_100um"
        with pytest.raises(urllib.error.HTTPError) as refused:
            _get(view, "atlas/0/0-64_0-64_0-64")
    assert refused.value.code == 503
    assert "phantom_50um was loaded again, or dropped" in refused.value.read().decode()
