"""A volume in any of the forms that are read: recognised by its content, its header read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ccf_assets.ccf.volumes import nifti, nrrd_file, tiff, zarr_folder
from ccf_assets.ccf.volumes.volume import FORMS, StoredVolume, refused
from ccf_assets.errors import CcfError, why

__all__ = ["StoredVolume", "open_volume"]


def open_volume(path: Path, level_um: Sequence[float] | None = None) -> StoredVolume:
    """What the file or folder at ``path`` says of its volume. Only its header is read.

    Args:
        path: the file or folder.
        level_um: of an OME-Zarr pyramid the edges of the level to read, along its axes in µm; the finest
            level if not given. Other forms have one level.

    Raises:
        CcfError: there is none, it is in no form that is read, its header is not that of a volume of region
            ids, or the library that reads it is not installed.
    """
    try:
        if path.is_dir():
            if zarr_folder.is_zarr(path):
                return zarr_folder.opened(path, level_um)
            raise refused(path, f"it is a folder without a Zarr array; read are {FORMS}")
        with path.open("rb") as file:
            start = file.read(nifti.HEADER_BYTES)
        if start.startswith(nrrd_file.MAGIC):
            return nrrd_file.opened(path)
        if start.startswith(tiff.MAGIC):
            return tiff.opened(path)
        if nifti.is_nifti(path, start):
            return nifti.opened(path)
    except OSError as error:
        raise CcfError(f"{path} cannot be read: {why(error)}.") from error
    raise refused(path, f"it is in none of the forms that are read: {FORMS}")
