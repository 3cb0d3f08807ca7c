"""The same three figures by this program and by three others, side by side, for a reader's own eyes.

They are a coronal plane with its regions by name, values on regions that differ left and right, and the
sites of recordings. The other programs get our volume, our surfaces and our sites; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.measuring import say
from ccf_assets.atlas.atlas import Atlas
from ccf_assets.atlas.section import section, sites_of, values_of
from ccf_assets.db.loaded import loaded_atlases
from ccf_assets.pictures.plane import Section, plane_file
from ccf_assets.pictures.sites import Sites
from ccf_assets.view.meshes import mesh
from ccf_assets.view.pyramid import current_runs, scales_of

ATLAS = "ccf_2017_25um"

AP_UM = 8900.0
"""Of the plane: 3.5 mm behind bregma."""

VALUES = {
    "VISp": (3.5, 8.1), "CA1": (5.5, 5.5), "DG": (2.8, 2.8), "ENTl": (4.2, 6.4), "SCm": (1.2, 1.2),
    "PG": (7.2, 7.2),
}  # fmt: skip
"""Acronym → a firing rate left and right, made up."""

LABEL = "Firing rate (Hz)"

MOST_RECORDINGS = 8
"""With most sites near the plane: the other programs need a colour for each."""

SUBJECTS = {"regions": "Regions of a plane", "values": "Values on regions", "sites": "Recording sites"}
"""File → what its sheet shows."""

PEERS = ("iblatlas", "brainglobe-heatmap", "brainrender")

OURS = "ccf_assets"

_CELL, _GAP, _CAPTION = (900, 560), 12, 36
"""Pixels of a picture on a sheet (width, height), between pictures, and of the line above each."""


def figures(atlas: Atlas, sites: Sites) -> dict[str, Section]:
    """Our three figures, by file."""
    import polars as pl

    rows = [
        (name, side, value) for name, both in VALUES.items() for side, value in zip(_SIDES, both, strict=True)
    ]
    table = pl.DataFrame(rows, ["region", "hemisphere", "value"], orient="row")
    return {
        "regions": section(atlas, "coronal", AP_UM),
        "values": section(atlas, "coronal", AP_UM, values=values_of(atlas, table, LABEL)),
        "sites": section(atlas, "coronal", sites=sites),
    }


_SIDES = ("left", "right")


def recordings_near(sites: Sites, ap_um: float = AP_UM) -> list[str]:
    """The recordings with most sites within 250 µm of a coronal plane, at most MOST_RECORDINGS."""
    near = np.abs(sites.points[:, 0] - ap_um) <= 250
    names, which = np.unique(sites.recordings, return_inverse=True)
    counts = np.bincount(which[near], minlength=len(names))
    return [str(name) for name in names[np.argsort(-counts, kind="stable")[:MOST_RECORDINGS]]]


def give(atlas: Atlas, figure: Mapping[str, Section], folder: Path) -> None:
    """Write what the other programs need: volume, regions, surfaces, sites, and what is asked of them."""
    there = {look.acronym for look in figure["regions"].parts().groups if look is not None}
    # Not those that contain others, such as MB: their surfaces would cover these.
    above = {each.acronym for name in there for each in atlas.region(name).ancestors if each.acronym != name}
    named = sorted((there - above) | set(VALUES))
    np.save(folder / "volume.npy", atlas.volume())
    table = atlas.regions()
    paths = [[each.id for each in reversed(atlas.region(i).ancestors)] for i in table["region_id"]]
    rows = table.select("region_id", "acronym", "full_name", "color_hex").to_dicts()
    regions = [{**row, "path": path} for row, path in zip(rows, paths, strict=True)]
    (folder / "meshes").mkdir()
    scales = scales_of(atlas._loaded, loaded_atlases(atlas._engine))
    for acronym in ["root", *named]:
        region = atlas.region(acronym)
        inside = [each.id for each in region.descendants]
        scale = scales[0] if acronym != "root" else scales[-1]
        made = mesh(current_runs(atlas._engine, scale, inside), scale.grid)
        (folder / "meshes" / str(region.id)).write_bytes(made)
    sites = figure["sites"].sites
    assert sites is not None
    asked = {
        "ap_um": AP_UM, "sites_ap_um": figure["sites"].position_um, "resolution_um": atlas.resolution_um,
        "values": VALUES, "label": LABEL, "named": named, "regions": regions,
        "recordings": {
            name: sites.points[np.array(sites.recordings) == name].tolist()
            for name in sorted(set(sites.recordings))
        },
    }  # fmt: skip
    (folder / "asked.json").write_text(json.dumps(asked), "utf-8")


def by_peers(python: Path, given: Path, folder: Path) -> dict[str, str]:
    """Let the other programs draw into the folder; returns their versions."""
    script = Path(__file__).with_name("pictures_by_peers.py")
    own = {"HOME": str(given), "BRAINGLOBE_CONFIG_DIR": str(given), "MPLBACKEND": "agg", "PYTHONPATH": ""}
    subprocess.run(
        [python, script, given, folder], check=True, env={**os.environ, **own}, stdout=subprocess.DEVNULL
    )
    versions: dict[str, str] = json.loads((given / "versions.json").read_text("utf-8"))
    return versions


def sheet(pictures: Sequence[tuple[str, Path]], to: Path) -> None:
    """Pictures with captions, two beside each other, each as large as its cell allows."""
    from PIL import Image, ImageDraw, ImageFont

    rows, (width, height) = -(-len(pictures) // 2), _CELL
    step = height + _CAPTION + _GAP
    made = Image.new("RGB", (2 * width + 3 * _GAP, rows * step + _GAP), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(22)
    for number, (caption, path) in enumerate(pictures):
        left, top = _GAP + number % 2 * (width + _GAP), _GAP + number // 2 * step
        draw.text((left, top), caption, "black", font)
        if not path.exists():
            draw.text((left, top + _CAPTION), "has no such figure", "gray", font)
            continue
        with Image.open(path) as file:
            picture = file.convert("RGB")
        picture.thumbnail(_CELL, Image.Resampling.LANCZOS)
        made.paste(picture, (left, top + _CAPTION))
    made.save(to)


def main() -> None:
    """Draw all figures by all programs, and a sheet for each figure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pictures", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="where the pictures are written; made if need be")
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="PYTHON",
        help="a Python that has iblatlas, brainglobe-heatmap, brainrender",
    )
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    atlas = Atlas(ATLAS)
    everyone = sites_of(atlas.sites())
    chosen = recordings_near(everyone)
    here = np.isin(everyone.recordings, chosen)
    sites = Sites(everyone.points[here], np.array(everyone.recordings)[here].tolist())
    drawn = figures(atlas, sites)
    for name, figure in drawn.items():
        (told.folder / f"{name} {OURS}.png").write_bytes(plane_file(figure, dpi=150, crop=True))
    versions: dict[str, str] = {}
    if told.peers:
        with tempfile.TemporaryDirectory() as given:
            give(atlas, drawn, Path(given))
            versions = by_peers(told.peers, Path(given), told.folder.resolve())
    for name, subject in SUBJECTS.items():
        pictures = [(f"{OURS}: {subject}", told.folder / f"{name} {OURS}.png")]
        pictures += [
            (f"{peer} {versions[peer]}", told.folder / f"{name} {peer}.png")
            for peer in PEERS
            if peer in versions
        ]
        sheet(pictures, told.folder / f"{name}.png")
        say(f"{told.folder / name}.png")


if __name__ == "__main__":
    main()
