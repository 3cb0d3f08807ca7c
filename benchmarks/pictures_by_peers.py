"""The figures of pictures.py by the other programs: run by a Python that has them, and nothing of ours.

Arguments: the folder with what pictures.give wrote, and that for the pictures. HOME and
BRAINGLOBE_CONFIG_DIR are the first, so that nothing of the user's is read or changed.
"""

import csv
import importlib.metadata
import json
import struct
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

GIVEN, TO = Path(sys.argv[1]), Path(sys.argv[2])
ASKED = json.loads((GIVEN / "asked.json").read_text("utf-8"))
AP_UM, UM, VALUES = ASKED["ap_um"], ASKED["resolution_um"], ASKED["values"]
LOWEST, HIGHEST = np.min(list(VALUES.values())), np.max(list(VALUES.values()))
COLOUR_OF = {each["acronym"]: f"#{each['color_hex']}" for each in ASKED["regions"]}
CMAP = "viridis"
ATLAS = f"allen_mouse_{UM:g}um"
SIDES = ("right", "left")  # BrainGlobe's words for what the Allen Institute calls left and right


def save(figure: Figure, subject: str, program: str) -> None:
    """Write a picture of the size of a slide."""
    figure.savefig(TO / f"{subject} {program}.png", dpi=150, bbox_inches="tight")


# ---- iblatlas: its Allen atlas from NRRD files. The template is a stand-in, darker along borders.


def iblatlas() -> None:
    """All three: planes from its volume; sites are a density."""
    import nrrd
    from iblatlas.atlas import AllenAtlas
    from iblatlas.plots import plot_points_on_slice, plot_scalar_on_slice

    volume = np.load(GIVEN / "volume.npy")
    nrrd.write(str(GIVEN / f"annotation_{UM:g}.nrrd"), volume)
    nrrd.write(str(GIVEN / f"average_template_{UM:g}.nrrd"), (volume > 0).astype(np.uint16))
    atlas = AllenAtlas(UM, hist_path=GIVEN)
    metres = (5400 - AP_UM) * 1e-6
    figure, axes = plt.subplots(figsize=(9, 6))
    atlas.plot_cslice(metres, volume="annotation", mapping="Allen", ax=axes)
    atlas.plot_cslice(metres, volume="boundary", mapping="Beryl", ax=axes)
    save(figure, "regions", "iblatlas")
    figure, axes = plt.subplots(figsize=(9, 6))
    plot_scalar_on_slice(
        np.array(list(VALUES)), np.array(list(VALUES.values())), coord=metres * 1e6, mapping="Beryl",
        hemisphere="both", background="boundary", show_cbar=True, brain_atlas=atlas, ax=axes,
    )  # fmt: skip
    save(figure, "values", "iblatlas")
    ccf = np.concatenate([np.array(points) for points in ASKED["recordings"].values()])
    figure, axes = plt.subplots(figsize=(9, 6))
    plot_points_on_slice(
        atlas.ccf2xyz(ccf, ccf_order="apdvml"), coord=5400 - ASKED["sites_ap_um"], mapping="Beryl",
        background="boundary", show_cbar=True, aggr="count", fwhm=100, brain_atlas=atlas, ax=axes,
    )  # fmt: skip
    save(figure, "sites", "iblatlas")


# ---- BrainGlobe: an atlas in the layout of brainglobe-atlasapi 3


def write_atlas() -> None:
    """Write the atlas, and where it is into BrainGlobe's configuration."""
    import DracoPy  # type: ignore[import-not-found]
    import zarr

    root = GIVEN / "brainglobe-atlasapi"
    shape = np.load(GIVEN / "volume.npy", mmap_mode="r").shape
    places = {part: f"/{part}/given/1_0" for part in ("terminologies", "annotation-sets", "templates")}
    manifest = {
        "name": ATLAS, "citation": "unpublished", "atlas_link": "", "species": "Mus musculus",
        "symmetric": True, "resolution": [UM] * 3, "orientation": "asr", "shape": shape, "version": "1.0",
        "additional_references": [], "terminology": {"location": places["terminologies"]},
        "annotation_set": {
            "location": places["annotation-sets"], "template": {"location": places["templates"]}
        },
    }  # fmt: skip
    file = root / "atlases" / ATLAS / "1_0" / "manifest.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(manifest), "utf-8")
    words = root / places["terminologies"][1:] / "terminology.csv"
    words.parent.mkdir(parents=True)
    with words.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(
            [
                "identifier",
                "parent_identifier",
                "name",
                "abbreviation",
                "color_hex_triplet",
                "root_identifier_path",
            ]
        )
        for each in ASKED["regions"]:
            color = COLOUR_OF[each["acronym"]]
            rows.writerow([each["region_id"], "", each["full_name"], each["acronym"], color, each["path"]])
    # Pictures are made of the surfaces: of the volumes only the scale is read.
    for place, name in (("annotation-sets", "annotations_compressed"), ("templates", "template")):
        folder = root / places[place][1:] / f"{name}.ome.zarr"
        group = zarr.create_group(folder)
        group.create_array(
            "0", shape=shape, chunks=(64, 64, 64), dtype="uint32", dimension_names=["z", "y", "x"]
        )
        scale = {"type": "scale", "scale": [UM / 1000] * 3}
        described: Any = {
            "name": name,
            "axes": [{"name": axis, "type": "space", "unit": "millimeter"} for axis in "zyx"],
            "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
        }
        group.attrs["ome"] = {"version": "0.5", "multiscales": [described]}
    meshes = root / places["annotation-sets"][1:] / "annotations.precomputed" / "mesh"
    meshes.mkdir(parents=True)
    for path in (GIVEN / "meshes").iterdir():
        content = path.read_bytes()
        (vertices,) = struct.unpack("<I", content[:4])
        points = np.frombuffer(content, "<f4", 3 * vertices, 4).reshape(-1, 3)  # AP, DV, ML, nm
        faces = np.frombuffer(content, "<u4", -1, 4 + 12 * vertices).reshape(-1, 3)
        (meshes / path.name).write_bytes(DracoPy.encode(points[:, ::-1], faces, quantization_bits=16))
    folders = f"[default_dirs]\nbrainglobe_dir = {GIVEN}\ninterm_download_dir = {GIVEN}\n"
    (GIVEN / "bg_config.conf").write_text(folders, "utf-8")


def brainglobe_heatmap() -> None:
    """Regions and values; it has no figure of sites."""
    from brainglobe_heatmap import Heatmap  # type: ignore[import-not-found]

    whole = {
        "position": AP_UM, "orientation": "frontal", "format": "2D", "annotate_regions": True,
        "atlas_name": ATLAS, "check_latest": False,
    }  # fmt: skip
    named = Heatmap(dict.fromkeys(ASKED["named"], 1.0), **whole)
    named.colors = {**named.colors, **COLOUR_OF}  # by itself it has no colours of the atlas
    figure, axes = plt.subplots(figsize=(9, 6))
    named.plot_subplot(figure, axes, show_cbar=False)
    save(figure, "regions", "brainglobe-heatmap")
    figure, axes = plt.subplots(figsize=(9, 6))
    for number, side in enumerate(SIDES):
        values = {name: both[number] for name, both in VALUES.items()}
        half = Heatmap(values, hemisphere=side, cmap=CMAP, vmin=LOWEST, vmax=HIGHEST, **whole)
        half.plot_subplot(figure, axes, show_cbar=number == 0, cbar_label=ASKED["label"])
    axes.invert_yaxis()  # each of the two inverted it
    save(figure, "values", "brainglobe-heatmap")


def brainrender() -> None:
    """All three, rendered without a window."""
    import vedo  # type: ignore[import-not-found]
    from brainrender import Scene, settings  # type: ignore[import-not-found]
    from brainrender.actors import Points  # type: ignore[import-not-found]

    settings.OFFSCREEN, settings.INTERACTIVE, settings.SHOW_AXES = True, False, False
    vedo.settings.use_depth_peeling = False  # with it nothing transparent is drawn without a graphics card

    def scene() -> Any:
        return Scene(atlas_name=ATLAS, check_latest=False, inset=False, screenshots_folder=TO)

    def cut(of: Any) -> Any:
        middle = np.array(of.root._mesh.center_of_mass())
        middle[0] = AP_UM
        return of.atlas.get_plane(pos=middle, norm=(1, 0, 0))

    def finish(of: Any, subject: str, camera: str) -> None:
        of.render(camera=camera, interactive=False)
        of.screenshot(f"{subject} brainrender")
        of.close()

    plane = scene()
    plane.add_brain_region(*ASKED["named"])
    plane.slice(cut(plane), close_actors=True)
    finish(plane, "regions", "frontal")
    heat = scene()
    for name, both in VALUES.items():
        for side, value in zip(SIDES, both, strict=True):
            colour = plt.get_cmap(CMAP)((value - LOWEST) / (HIGHEST - LOWEST))[:3]
            heat.add_brain_region(name, hemisphere=side, color=to_hex(colour), force=True)
    heat.slice(cut(heat), close_actors=True)
    finish(heat, "values", "frontal")
    probes = scene()
    probes.add_brain_region("VISp", "CA1", "SCm", alpha=0.3)
    for number, (name, points) in enumerate(ASKED["recordings"].items()):
        probes.add(Points(np.array(points), name=name, colors=to_hex(f"C{number}"), radius=40))
    finish(probes, "sites", "three_quarters")


iblatlas()
write_atlas()
brainrender()
brainglobe_heatmap()  # after brainrender, whose settings it changes
programs = ("iblatlas", "brainglobe-heatmap", "brainrender")
versions = {program: importlib.metadata.version(program) for program in programs}
(GIVEN / "versions.json").write_text(json.dumps(versions), "utf-8")
