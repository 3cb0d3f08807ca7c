"""A TIFF file of one volume, a plane a page; BigTIFF, ImageJ's and OME-TIFF, too. tifffile reads it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ccf_assets.ccf.volumes.volume import (
    MOST_ALONG,
    Slab,
    StoredVolume,
    checked_edges,
    checked_shape,
    checked_type,
    damaged,
    in_um,
    missing,
    refused,
    rounded,
    slabs_in_sequence,
)
from ccf_assets.errors import CcfError

if TYPE_CHECKING:
    import tifffile

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def opened(path: Path) -> StoredVolume:
    """The pages and the description of a TIFF file.

    Raises:
        CcfError: tifffile is not installed, or the file does not hold one volume of region ids.
    """
    with _file(path) as file:
        series = _one_series(path, file)
        page = series.keyframe
        shape = checked_shape(path, (_pages(path, series), page.imagelength, page.imagewidth))
        if page.samplesperpixel != 1 or page.imagedepth != 1:
            raise refused(
                path, "its pages hold colours or several planes each; a page must be one plane of ids"
            )
        if series.dtype is None:
            raise refused(path, f"its voxels have {page.bitspersample} bits, and no type has that many")
        if math.prod(page.chunks) > MOST_ALONG**2:
            raise refused(path, f"its header says that a page consists of pieces of {page.chunks} voxels")
        dtype = checked_type(path, np.dtype(series.dtype).newbyteorder(file.byteorder))
        edges, units = _edges(file)
        lengths = checked_edges(path, edges) if edges else None
        edges_um = in_um(lengths, units) if lengths else None
    return StoredVolume(
        path=path,
        form="TIFF",
        shape=shape,
        dtype=dtype,
        axes=None,
        edges_um=edges_um,
        bare_edges=lengths if lengths and not any(units) else None,
        world=None,
        slow_axis=0,
        readable_along=(0,),
        read=lambda _axis: _slabs(path, shape, dtype),
    )


class _Heard(logging.Handler):
    """Keeps what tifffile only logs: that it left out pages it could not find."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def _file(path: Path) -> Iterator[tifffile.TiffFile]:
    """The file, opened; whatever goes wrong with it is said in words."""
    try:
        import tifffile
    except ImportError:
        raise missing(path, "tifffile") from None
    logger, heard = tifffile.logger(), _Heard()
    logger.addHandler(heard)
    try:
        # Of an OME-TIFF in several files, the others are not opened.
        with tifffile.TiffFile(path, _multifile=False) as file:
            yield file
        if heard.said:
            raise damaged(path, heard.said[0])
    except (CcfError, OSError, GeneratorExit):
        raise
    except Exception as error:  # tifffile trusts the file: what it raises is of no common kind
        if "imagecodecs" in str(error) and not _has_imagecodecs():
            raise missing(path, "imagecodecs") from None
        raise damaged(path, heard.said[0] if heard.said else str(error) or type(error).__name__) from error
    finally:
        logger.removeHandler(heard)


def _has_imagecodecs() -> bool:
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        return False
    return True


def _one_series(path: Path, file: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """The only series of pages of one shape."""
    try:
        file.pages[MOST_ALONG]  # one by one: a chain of pages may have no end
    except IndexError:
        pass
    else:
        raise refused(path, f"it has more than {MOST_ALONG:,} pages")
    if len(file.series) != 1:
        raise refused(path, f"it has {len(file.series)} series of pages, and a volume is one")
    return file.series[0]


def _pages(path: Path, series: tifffile.TiffPageSeries) -> int:
    """The number of planes."""
    leading = [n for n, axis in zip(series.shape, series.axes, strict=True) if axis not in "YXS" and n > 1]
    page = series.keyframe
    planes = leading[0] if leading else 1
    if len(leading) > 1 or planes * page.imagelength * page.imagewidth * page.samplesperpixel != math.prod(
        series.shape
    ):
        told = " × ".join(f"{n} {axis}" for n, axis in zip(series.shape, series.axes, strict=True))
        raise refused(path, f"its pages are {told:.200}, and a volume has one axis of planes")
    if planes == 1:
        raise refused(path, "it is one plane, and a volume has several")
    return planes


def _edges(file: tifffile.TiffFile) -> tuple[list[float], list[str | None]]:
    """Edges of a voxel along pages, rows and columns, with units, as ImageJ or OME-XML state them."""
    if file.is_ome and file.ome_metadata:
        import tifffile

        image = tifffile.xml2dict(file.ome_metadata).get("OME", {}).get("Image", {})
        pixels = (image[0] if isinstance(image, list) else image).get("Pixels", {})
        sizes = [pixels.get(f"PhysicalSize{axis}") for axis in "ZYX"]
        # The schema's own unit is µm.
        units = [str(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"]
        return ([], []) if None in sizes else ([float(s) for s in sizes], list(units))
    if file.is_imagej and file.imagej_metadata:
        stated = file.imagej_metadata
        tags = file.pages.first.tags
        spacing, across = stated.get("spacing"), [tags.valueof(f"{axis}Resolution") for axis in "YX"]
        if not isinstance(spacing, (int, float)) or not all(across) or not all(n for n, _ in across):
            return [], []
        unit = str(stated.get("unit", "")).replace("\\u00B5", "µ")
        return [float(spacing), *(rounded(d / n) for n, d in across)], [unit or None] * 3
    return [], []


def _slabs(path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Iterator[Slab]:
    count, rows, columns = shape
    with _file(path) as file:
        series = _one_series(path, file)
        if series.dataoffset is not None:
            # One piece of bytes, also where ImageJ writes the first page only.
            with path.open("rb") as data:
                data.seek(series.dataoffset)
                for slab in slabs_in_sequence(path, data, (columns, rows, count), dtype, to_the_end=False):
                    yield slab.T
            return
        size = file.filehandle.size
        pages = list(series)
        if len(pages) != count:
            raise damaged(path, f"it has {len(pages):,} pages of {count:,}")
        for done, page in enumerate(pages):
            ends = [] if page is None else map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
            if page is None or max(ends, default=0) > size:
                raise damaged(path, f"it ends after {done:,} of {count:,} pages")
            plane = page.asarray()
            if plane.shape != (rows, columns):
                raise damaged(path, f"page {done:,} has {plane.shape} voxels")
            yield plane
