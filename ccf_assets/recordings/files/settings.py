"""The TOML settings of a file of sites, its own or those of its folder: what the file itself does not say.

The frames that settings may name are in ccf.frames.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ccf_assets.ccf.space import AXES
from ccf_assets.errors import CcfError, why
from ccf_assets.files import TomlError, read_toml

XYZ = ("x", "y", "z")

OURS = ("recording_id", "site_id", *AXES, *XYZ, "frame", "reported_region")
"""The columns a file can have; all others are ignored."""

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
    """

    own: Path
    frame: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    set_in: Mapping[str, Path] = field(default_factory=dict)


def settings_paths(folder: Path, path: Path) -> list[Path]:
    """The paths of the settings files of ``path``, which need not exist; a later one has priority.

    ``recordings.toml`` of the folder, of each subfolder on the way down, then ``NAME.toml``.
    """
    below = path.relative_to(folder).parts[:-1]
    folders = [folder.joinpath(*below[:depth]) for depth in range(len(below) + 1)]
    places = [*(one / FOLDER_SETTINGS for one in folders), path.with_suffix(".toml")]
    return list(dict.fromkeys(places))


def read_settings(folder: Path, path: Path) -> FileSettings:
    """Read and merge the settings of one file of sites.

    Raises:
        CcfError: a settings file cannot be read, or has an unknown key or a value of the wrong type.
    """
    frame: str | None = None
    columns: dict[str, str] = {}
    set_in: dict[str, Path] = {}
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
        columns |= given.get("columns", {})
        set_in |= dict.fromkeys(given.get("columns", {}), place)
    return FileSettings(path.with_suffix(".toml"), frame, columns, set_in)


def is_absent(error: OSError) -> bool:
    """Whether the file does not exist: ``NAME.toml`` can be a character longer than a file's name may be."""
    return isinstance(error, FileNotFoundError) or error.errno == errno.ENAMETOOLONG


def _check_settings(place: Path, given: Mapping[str, Any]) -> None:
    _refuse_unknown(place, "", given, ("frame", "columns"))
    if not isinstance(given.get("frame", ""), str):
        raise CcfError(f'{place}: frame must be the name of a frame in quotes, for example frame = "ccf".')
    columns = given.get("columns", {})
    if not isinstance(columns, dict):
        raise CcfError(f'{place}: columns must be a table: a line [columns], then lines such as x = "x_m".')
    _refuse_unknown(place, " in [columns]", columns, OURS)
    for ours, theirs in columns.items():
        if not isinstance(theirs, str):
            raise CcfError(f'{place}: {ours} must be the name of a column in quotes, such as {ours} = "x_m".')
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
    return name.strip().lower() in OURS or name in settings.columns.values()
