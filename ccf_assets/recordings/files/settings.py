"""The TOML settings of a file of sites, its own or those of its folder: what the file itself does not say.

The frames that settings may name are in ccf.frames.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any
from urllib.parse import unquote

from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.errors import CcfError, why
from ccf_assets.files import TomlError, read_toml

EXTRAS = ("probe", "shank", "channel", "axial_um", "lateral_um")
"""Columns that are kept with a site if the file has them, since labs join on them."""

OURS = ("recording_id", "site_id", *AXES, *XYZ, "frame", "reported_region", *EXTRAS)
"""The columns a file can have; all others are ignored, unless the settings ask to keep them."""

VALUES = ("recording_id", "probe")
"""Keys above [columns] that say one text for all rows of a file, which may contain parts of its path."""

ROW = "row"
"""``site_id = "row"`` above [columns] numbers the rows from 0."""

_DOUBLE = (".csv.gz", ".tsv.gz", ".nwb.zarr")
"""Endings of two parts: the settings of ``a.csv.gz`` are ``a.toml``."""

FOLDER_SETTINGS = "recordings.toml"
"""The settings of all files in its folder and below; a key in a file's own ``NAME.toml`` has priority."""


@dataclass(frozen=True)
class FileSettings:
    """What the TOML files say about one file of sites.

    Attributes:
        own: where the file's own settings are, or would be.
        frame: name of the coordinate frame, or None if no settings file gives one.
        columns: ours → the file's column name; an empty name means that the file has no such column.
        set_in: ours → the settings file that gives it; ``frame =`` is the key of the frame.
        values: ours → the text for all rows, as `VALUES`, with the parts of the path still in braces; and
            ``site_id`` → `ROW`. No column of `columns` has the same name.
        keep: the file's columns that are kept as recording_site.details.
    """

    own: Path
    frame: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    set_in: Mapping[str, Path] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


def settings_paths(folder: Path, path: Path) -> list[Path]:
    """The paths of the settings files of ``path``, which need not exist; a later one has priority.

    ``recordings.toml`` of the folder, of each subfolder on the way down, then ``NAME.toml``.
    """
    below = path.relative_to(folder).parts[:-1]
    folders = [folder.joinpath(*below[:depth]) for depth in range(len(below) + 1)]
    places = [*(one / FOLDER_SETTINGS for one in folders), own_settings(path)]
    return list(dict.fromkeys(places))


def own_settings(path: Path) -> Path:
    """Where a file's own settings are, or would be."""
    return path.with_name(f"{stem_of(path.name)}.toml")


def stem_of(name: str) -> str:
    """The name of a file without its ending, or endings: ``a`` of ``a.csv.gz``."""
    if name.lower().endswith(_DOUBLE):
        name = name.rpartition(".")[0]
    stem, _, ending = name.rpartition(".")
    return stem if stem and ending else name  # as pathlib has it: ".csv" and "a." have no ending


def read_settings(folder: Path, path: Path) -> FileSettings:
    """Read and merge the settings of one file of sites.

    Raises:
        CcfError: a settings file cannot be read, or has an unknown key or a value of the wrong type.
    """
    frame: str | None = None
    columns: dict[str, str] = {}
    values: dict[str, str] = {}
    set_in: dict[str, Path] = {}
    keep: tuple[str, ...] = ()
    for place in settings_paths(folder, path):
        try:
            given = read_toml(place)
        except OSError as error:
            if is_absent(error):
                continue
            raise CcfError(f"{place} cannot be read: {why(error)}.") from None
        except UnicodeDecodeError as error:
            raise CcfError(f"{place} cannot be read: {error}; save it in UTF-8.") from None
        except TomlError as error:
            quotes = (
                ' Text needs quotation marks, as in frame = "ccf".' if "Invalid value" in str(error) else ""
            )
            raise CcfError(f"{place} is not valid TOML: {error}.{quotes}") from None
        _check_settings(place, given)
        if "frame" in given:
            frame = given["frame"]
            set_in["frame ="] = place
        of_rows = given.get("columns", {})
        of_all = {key: str(given[key]) for key in (*VALUES, "site_id") if key in given}
        # A file nearer to the data has priority, whichever of the two ways it uses.
        columns = {key: name for key, name in columns.items() if key not in of_all} | of_rows
        values = {key: text for key, text in values.items() if key not in of_rows} | of_all
        set_in |= dict.fromkeys([*of_rows, *of_all], place)
        if "keep" in given:
            keep = tuple(given["keep"])
            set_in["keep"] = place
    return FileSettings(own_settings(path), frame, columns, set_in, values, keep)


def fill_in(template: str, key: str) -> str:
    """A text of `VALUES` for one file: ``{folder}/{stem}`` of ``a/b/c.csv`` is ``a/b/c``.

    Args:
        template: the text; ``{folder}`` is the folder in the file's key, ``{stem}`` its name without the
            ending, ``{name}`` with it, ``{1}`` the first folder of the path.
        key: partition key of the file.

    Raises:
        CcfError: the text names something else, or a folder that the path has not.
    """
    path = PurePosixPath(unquote(key))
    folders = path.parts[:-1]
    part_of = {"folder": "/".join(folders), "stem": stem_of(path.name), "name": path.name}
    part_of |= {str(number): folder for number, folder in enumerate(folders, 1)}
    filled = ""
    try:
        for text, name, spec, conversion in Formatter().parse(template):
            if spec or conversion:
                raise ValueError(spec or conversion)
            filled += text + (part_of[name] if name is not None else "")
    except (ValueError, KeyError):
        levels = ", {1} for the first folder of the path" if folders else ""
        raise CcfError(
            f'"{template}" cannot be filled in for {path}. In braces are {{folder}}, {{stem}}, {{name}}'
            f"{levels}; a brace itself is written twice."
        ) from None
    return filled.strip("/")  # a file without a folder has no part before the slash


def of_its_own(settings: FileSettings) -> FileSettings:
    """The settings of a file whose columns and recording its format gives: what its own TOML says.

    What `FOLDER_SETTINGS` say is meant for the tables in the folder; of it, only the frame is for other
    files, too, where their format states none (`columns.frames_of_rows`).
    """
    own = {key for key, place in settings.set_in.items() if place == settings.own}
    return replace(
        settings,
        frame=settings.frame if "frame =" in own else None,
        columns={key: name for key, name in settings.columns.items() if key in own},
        values={key: text for key, text in settings.values.items() if key in own},
        keep=settings.keep if "keep" in own else (),
    )


def is_absent(error: OSError) -> bool:
    """Whether the file does not exist: ``NAME.toml`` can be a character longer than a file's name may be."""
    return isinstance(error, FileNotFoundError) or error.errno == errno.ENAMETOOLONG


def _check_settings(place: Path, given: Mapping[str, Any]) -> None:
    _refuse_unknown(place, "", given, ("frame", *VALUES, "site_id", "keep", "columns"))
    if not isinstance(given.get("frame", ""), str):
        raise CcfError(f'{place}: frame must be the name of a frame in quotes, for example frame = "ccf".')
    for key in VALUES:
        if not isinstance(given.get(key, ""), str | int) or isinstance(given.get(key), bool):
            raise CcfError(
                f'{place}: {key} must be a text in quotes, such as {key} = "mouse 7" or '
                f'{key} = "{{folder}}/{{stem}}".'
            )
    if given.get("site_id", ROW) != ROW:
        raise CcfError(
            f'{place}: site_id can only be "{ROW}" here, which numbers the rows from 0. The name of a column '
            "is written below a line [columns]."
        )
    keep = given.get("keep", [])
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in keep):
        raise CcfError(f'{place}: keep must be a list of columns, such as keep = ["cluster_id", "depth"].')
    columns = given.get("columns", {})
    if not isinstance(columns, dict):
        raise CcfError(f'{place}: columns must be a table: a line [columns], then lines such as x = "x_m".')
    _refuse_unknown(place, " in [columns]", columns, OURS)
    for ours, theirs in columns.items():
        if not isinstance(theirs, str):
            raise CcfError(f'{place}: {ours} must be the name of a column in quotes, such as {ours} = "x_m".')
    for key in (*VALUES, "site_id"):
        if key in given and key in columns:
            raise CcfError(
                f"{place}: {key} is given twice, for all rows and as a column; delete one of them."
            )
    taken: dict[str, str] = {}
    for ours, theirs in columns.items():
        if theirs and theirs in taken:
            raise CcfError(f'{place}: {taken[theirs]} and {ours} are both read from the column "{theirs}".')
        taken[theirs] = ours


def _refuse_unknown(place: Path, where: str, given: Collection[str], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise CcfError(
                f"{place}: {key!r}{where} is not a known key. The keys are {', '.join(known)}{meant}"
            )


def can_be_ours(name: str, settings: FileSettings) -> bool:
    """Whether a column may be one of ours; the others are not kept, since a table can have hundreds."""
    return name.strip().lower() in OURS or name in settings.columns.values() or name in settings.keep
