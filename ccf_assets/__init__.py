"""The Allen Mouse Brain CCF in PostgreSQL, as Dagster assets.

These names are the public ones: `Atlas` asks a loaded atlas, which answers with `Region` and `Located`;
`create_engine` connects SQLAlchemy to the database, `named_frame` gives a coordinate frame by its name, and
`CcfError` is what all of them raise, with a sentence that says what to do; an `UnknownNameError` (no such
region, atlas, frame or table) is a KeyError, too, and an `InvalidValueError` a ValueError.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.atlas.located import Located
    from ccf_assets.ccf.frames.files import named_frame
    from ccf_assets.db.database import create_engine
    from ccf_assets.db.regions import Region
    from ccf_assets.errors import CcfError, InvalidValueError, UnknownNameError

    __version__: str

_HOME_OF = {
    "Atlas": "atlas.atlas",
    "CcfError": "errors",
    "InvalidValueError": "errors",
    "Located": "atlas.located",
    "Region": "db.regions",
    "UnknownNameError": "errors",
    "create_engine": "db.database",
    "named_frame": "ccf.frames.files",
}
"""Public name to the module that defines it."""

__all__ = [
    "Atlas",
    "CcfError",
    "InvalidValueError",
    "Located",
    "Region",
    "UnknownNameError",
    "__version__",
    "create_engine",
    "named_frame",
]


def __getattr__(name: str) -> object:
    # Imported when asked for: Dagster and every command import this package, and few of them need these.
    if name == "__version__":
        from importlib.metadata import version  # 40 ms, which every command would pay

        return version("ccf_assets")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
