"""An atlas with its sites as a folder of files that any web server shows with Neuroglancer.

The folder has the volume, the surfaces and the sites in Neuroglancer's precomputed format, what its page
shows at first, and its web client, so that no other address is needed.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from ccf_assets.ccf.grid import paint_box
from ccf_assets.ccf.space import AXES_OF_SPACES, key_and_space
from ccf_assets.db.levels import VolumeLevel, volume_levels
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.db.regions import read_regions
from ccf_assets.errors import CcfError
from ccf_assets.files import new_folder
from ccf_assets.finding import counted
from ccf_assets.view.annotations import RELATION, Points
from ccf_assets.view.files import BRAIN, MANIFEST, MESHES
from ccf_assets.view.meshes import mesh, surfaces
from ccf_assets.view.pyramid import CHUNK, NM_PER_UM
from ccf_assets.view.segments import segment_colors, segment_properties
from ccf_assets.view.shards import SHARD_FILE, shard
from ccf_assets.view.site_points import SHADER, site_points
from ccf_assets.view.state import AtlasLayer, SitesLayer, first_state

if TYPE_CHECKING:
    import polars as pl

_SHARD_BITS = 6
"""Of the number of a chunk: a file has 4 × 4 × 4 chunks, 67 MB unpacked, which is in memory as a whole."""

_MOST_VOXELS = 50_000
"""Of the box around a region whose surface is written: all regions at 25 µm take 60 MB."""

_VOLUME, _SITES, _BRAIN = "segmentation", "sites", "brain"
"""Folders in the folder."""

_CLIENT = "neuroglancer/v/1"
"""Where the web client is: the one of the Python package looks for /v/ and a name in its own address."""

_HERE = "precomputed://./"
"""In the state, for the address of the folder, which ``index.html`` puts in."""


@dataclass(frozen=True)
class ExportedFolder:
    """What was written.

    Attributes:
        atlas: the atlas.
        shapes: voxels along AP, DV, ML of each scale.
        regions: regions that have voxels.
        sites: sites that are shown.
        without_place: sites that are not, as their place is not known.
    """

    atlas: LoadedAtlas
    shapes: tuple[tuple[int, int, int], ...]
    regions: int
    sites: int
    without_place: int


def export_precomputed(
    engine: sa.Engine,
    folder: Path,
    atlas: LoadedAtlas,
    sites: pl.DataFrame,
    *,
    meshes: bool = False,
    force: bool = False,
) -> ExportedFolder:
    """Write an atlas with recording sites to a folder. If this fails, there is none, or the one of before.

    Every voxel of the finest scale is as in the database; one of a coarser scale is the middle one of those
    that it stands for. Memory is needed for the runs of the atlas and for 67 MB of voxels.

    Args:
        engine: the database.
        folder: the folder, which is made.
        atlas: the atlas.
        sites: the sites that are shown: rows of the view recording_site_region in this atlas.
        meshes: write the surfaces of all regions, too; that of the brain is always there.
        force: replace an existing folder of this kind.

    Raises:
        CcfError: a library is not installed, the folder holds something else or exists, it cannot be
            written, or the atlas was loaded again meanwhile.
    """
    _require_libraries(folder)
    with new_folder(folder, kind="precomputed atlas", is_kind=_is_ours, force=force) as aside:
        regions = read_regions(engine, atlas.ccf_id, atlas.key)
        placed = site_points(sites, regions, atlas.grid)
        levels = list(volume_levels(engine, atlas))
        shown = [regions.by_id[each] for each in np.unique(levels[0].runs.region_id).tolist()]
        parts = {"segment_properties": "properties", **({"mesh": "mesh"} if meshes else {})}
        _write_volume(levels, aside / _VOLUME, parts)
        _write_json(aside / _VOLUME / "properties" / "info", segment_properties(shown))
        if meshes:
            _write_meshes(aside / _VOLUME / "mesh", dict(surfaces(levels, _MOST_VOXELS)))
        _write_meshes(aside / _BRAIN, {BRAIN: mesh(levels[-1].runs, levels[-1].grid)})
        sites_there = len(placed.points)
        layer = SitesLayer(_SITES, _HERE + _SITES, SHADER, sites_there, RELATION) if sites_there else None
        if layer:
            _write_points(aside / _SITES, placed.points)
        title = f"{key_and_space(atlas.key, atlas.space)}, {counted(len(placed.points), 'site')}"
        own = AtlasLayer(atlas.key, _HERE + _VOLUME, atlas.grid, segment_colors(shown))
        middle = tuple(size / 2 for size in atlas.grid.extent_um)
        state = first_state(title, [own], _HERE + _BRAIN, layer, (middle[0], middle[1], middle[2]))
        _write_json(aside / "state.json", state.to_json())
        _write_page(aside, title)
    shapes = tuple(level.grid.shape for level in levels)
    return ExportedFolder(atlas, shapes, len(shown), len(placed.points), placed.without_place)


def _require_libraries(folder: Path) -> None:
    try:
        import neuroglancer  # noqa: F401
        import tensorstore  # noqa: F401
    except ImportError as error:
        raise CcfError(f"To write {folder} needs {error.name}: pip install 'ccf_assets[view]'.") from None


def _is_ours(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / _VOLUME / "info").is_file()


def _write_volume(levels: Sequence[VolumeLevel], folder: Path, parts: Mapping[str, str]) -> None:
    """Write all scales, and into the info which parts the segmentation has besides.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    for number, level in enumerate(levels):
        try:
            _write_scale(folder, str(number), level)
        except (ValueError, RuntimeError) as error:  # tensorstore has no errors of its own
            code = re.search(r"os_error_code='(\d+)'", str(error))
            if code is None:
                raise
            raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
    info = json.loads((folder / "info").read_text())
    _write_json(folder / "info", {**info, **parts})


def _write_scale(folder: Path, key: str, level: VolumeLevel) -> None:
    """Write one scale, a shard at a time; a chunk that is all outside the brain is left out."""
    import tensorstore

    grid = level.grid
    bits = sum((-(-voxels // CHUNK) - 1).bit_length() for voxels in grid.shape)
    in_shard = min(bits, _SHARD_BITS)
    opened: Any = tensorstore.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint32", "num_channels": 1},
            "scale_metadata": {
                "key": key,
                "size": grid.shape,
                "resolution": [edge * NM_PER_UM for edge in grid.edges_um],
                "chunk_size": [CHUNK] * 3,
                "encoding": "compressed_segmentation",
                "compressed_segmentation_block_size": [8, 8, 8],
                "sharding": {
                    "@type": "neuroglancer_uint64_sharded_v1",
                    "hash": "identity",
                    "preshift_bits": in_shard,
                    "minishard_bits": 0,
                    "shard_bits": bits - in_shard,
                    "minishard_index_encoding": "gzip",
                    "data_encoding": "gzip",
                },
            },
        },
        create=True,
    )
    array = opened.result()
    step = array.chunk_layout.write_chunk.shape
    written: Any = opened
    for first in np.ndindex(*(-(-voxels // size) for voxels, size in zip(grid.shape, step[:3], strict=True))):
        ap, dv, ml = (index * size for index, size in zip(first, step[:3], strict=True))
        aps, dvs, mls = (
            min(size, voxels - at)
            for size, voxels, at in zip(step[:3], grid.shape, (ap, dv, ml), strict=True)
        )
        box = paint_box(level.runs, grid, (ap, dv, ml), (aps, dvs, mls))
        written.result()  # one box is packed while the next one is painted
        written = array[ap : ap + aps, dv : dv + dvs, ml : ml + mls, 0].write(box)
    written.result()


def _write_points(folder: Path, points: Points) -> None:
    sharding = {}
    for key, numbers, entries in points.indices():
        sharding[key], content = shard(numbers, entries, packed=key != "by_id")
        (folder / key).mkdir(parents=True)
        (folder / key / SHARD_FILE).write_bytes(content)
    _write_json(folder / "info", points.info(sharding))


def _write_meshes(folder: Path, meshes: Mapping[int, bytes]) -> None:
    """Surfaces by segment: of each a file, and one that names it, as the format demands."""
    folder.mkdir()
    (folder / "info").write_bytes(MESHES)
    for segment, surface in meshes.items():
        (folder / str(segment)).write_bytes(surface)
        _write_json(folder / f"{segment}{MANIFEST}", {"fragments": [str(segment)]})


def _write_page(folder: Path, title: str) -> None:
    """The web client of Neuroglancer, a page that opens it, and what to do in words."""
    import neuroglancer

    package = Path(neuroglancer.__file__).parent
    client = folder / _CLIENT
    shutil.copytree(package / "static" / "client", client, ignore=shutil.ignore_patterns("*.map"))
    page = (client / "index.html").read_text(encoding="utf-8")
    (client / "index.html").write_text(page.replace("<head>", f"<head>{_ALONE}", 1), encoding="utf-8")
    (client / "LICENSE.txt").write_text(_LICENSE)
    page = _PAGE.replace("TITLE", html.escape(title)).replace("CLIENT", _CLIENT)
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "parts.js").write_text(_PARTS, encoding="utf-8")
    (folder / "README.txt").write_text(_README.replace("TITLE", title), encoding="utf-8")


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


_LICENSE = """Neuroglancer, https://github.com/google/neuroglancer, Copyright Google Inc. and the authors.

Licensed under the Apache License, Version 2.0; you may not use these files except in compliance with it. You
may obtain a copy at http://www.apache.org/licenses/LICENSE-2.0.
"""

_ALONE = """<script>
  // This client listens to a Python program for what it shows. Here the address says it, and nobody speaks.
  // While it starts it loses layers that the address has, now and then: they are given again until they stay.
  const asked = JSON.parse(decodeURIComponent(location.hash.slice(2)) || "{}");
  history.replaceState(null, "", "#!{}");
  function show(tries) {
    try {
      viewer.state.reset();
      viewer.state.restoreState(asked);
    } catch (error) { console.log(error); }
    const shown = viewer.state.toJSON().layers ?? [];
    if (shown.length < (asked.layers ?? []).length && tries) setTimeout(() => show(tries - 1), 500);
  }
  window.EventSource = class {
    constructor() { setTimeout(() => { this.onopen?.(); show(20); }); }
    close() {}
  };
</script>"""

_PARTS = """// Python's http.server sends whole files where a part is asked for; this takes the part out.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", event => {
  const asked = event.request.headers.get("range") ?? "";
  const part = /^bytes=([0-9]+)-([0-9]+)$/.exec(asked);
  if (part) event.respondWith(take(event.request, Number(part[1]), Number(part[2]) + 1));
});
async function take(request, first, end) {
  const answer = await fetch(request);
  if (answer.status !== 200) return answer;
  const whole = await answer.arrayBuffer();
  const bytes = whole.slice(first, end);
  const range = `bytes ${first}-${first + bytes.byteLength - 1}/${whole.byteLength}`;
  return new Response(bytes, { status: 206, headers: { "Content-Range": range } });
}
"""

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>TITLE</title></head>
<body>
<h1>TITLE</h1>
<p id="says">This page opens Neuroglancer. It has to come from a web server: run
<code>python -m http.server --bind 127.0.0.1 8000</code> in this folder, and open
<a href="http://127.0.0.1:8000/">http://127.0.0.1:8000/</a>.</p>
<script>
  async function open() {
    if (navigator.serviceWorker) {  // on this machine, and by https
      await navigator.serviceWorker.register("parts.js");
      await navigator.serviceWorker.ready;
    }
    const state = await (await fetch("state.json")).json();
    const here = new URL(".", location.href).href;
    const text = JSON.stringify(state).replaceAll("precomputed://./", "precomputed://" + here);
    location.replace("CLIENT/index.html#!" + encodeURIComponent(text));
  }
  open().catch(error => document.getElementById("says").append(" (" + error + ")"));
</script>
</body>
</html>
"""

_README = f"""TITLE

A folder for Neuroglancer. Put it on any web server and open its address: the page in it shows the atlas, the
surface of the brain and the recording sites. To look at it on this machine:

    python -m http.server --bind 127.0.0.1 8000

and open http://127.0.0.1:8000/ in a browser. A server that others reach has to send parts of files (nginx,
Apache, Caddy and object stores do) or to speak https.

segmentation/   the annotation volume: axes x, y, z are {AXES_OF_SPACES}
sites/          the recording sites as annotations, in µm along the same axes
brain/          the surface of the brain
parts.js        takes parts out of files where the server does not
state.json      what the page shows at first; precomputed://./ stands for the address of this folder
neuroglancer/   the web client of Neuroglancer, under the Apache License 2.0

Another Neuroglancer opens precomputed://ADDRESS/segmentation and precomputed://ADDRESS/sites, if the server
allows requests from other pages (CORS).
"""
