"""Options that several commands share, the atlas that they ask, and how they print answers and messages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccf_assets.cli import complete
from ccf_assets.cli.terminal import broken, is_unicode
from ccf_assets.errors import CcfError

if TYPE_CHECKING:
    from ccf_assets.atlas.atlas import Atlas

AtlasOption = Annotated[
    str | None,
    typer.Option(
        "--atlas",
        "-a",
        help="Key of a loaded atlas; the finest one if not given.",
        autocompletion=complete.atlases,
    ),
]

FrameOption = Annotated[
    str | None,
    typer.Option(
        "--frame",
        "-f",
        help="Frame of the numbers, e.g. stereotaxic, ibl; if not given CCF µm, or µm in the atlas's space.",
        autocompletion=complete.frames,
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]

CsvOption = Annotated[bool, typer.Option("--csv", help="Answer as CSV.")]

LimitOption = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=0, help="Most rows; 0 is all. Default: 20 on a terminal, else all."),
]

ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]


NUMBERS = {"ignore_unknown_options": True}
"""A command with this setting reads -3500 as a number and not as an option."""

OUTSIDE = "outside the brain"
"""What stands in the place of a region where there is none."""


def asked_atlas(key: str | None) -> Atlas:
    """The atlas that a command asks.

    A command asks several times: one connection, for each of which the server starts a process.
    """
    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.db import database

    return Atlas(key, engine=database.kept_engine())


def output_option(help_text: str) -> typer.models.OptionInfo:
    """The option -o for a file."""
    option: typer.models.OptionInfo = typer.Option("--output", "-o", help=help_text, dir_okay=False)
    return option


PICTURES = (".png", ".svg", ".pdf")
"""Suffixes of the files that pictures are written to."""


def picture_option(help_text: str) -> typer.models.OptionInfo:
    """The option -o for a picture; a name of another kind of file is refused before any work is done."""
    option = output_option(help_text)
    option.callback = _picture
    return option


def _picture(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in PICTURES:
        raise CcfError(
            f"{path}: pictures are PNG, SVG or PDF files; give a name that ends in {', '.join(PICTURES)}."
        )
    return path


def say(line: str) -> None:
    """Print a message to standard error; standard output has answers only."""
    typer.echo(broken(line, sys.stderr), err=True)


def tell(line: str, hanging: int = 0) -> None:
    """Print an answer in words to standard output; a line that continues another has blanks in front."""
    typer.echo(broken(line, sys.stdout, hanging))


def answer(given: object) -> None:
    """Print an answer to standard output, as JSON; escaped where the terminal cannot show it."""
    typer.echo(json.dumps(given, indent=2, default=str, ensure_ascii=not is_unicode()))


def wrote(path: Path) -> None:
    """Print which file, or folder of files, was written, and its size."""
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    size = sum(each.stat().st_size for each in files)
    say(f"Wrote {path} ({size / 1e6:,.1f} MB)." if size >= 1e6 else f"Wrote {path} ({size / 1e3:,.0f} KB).")  # noqa: PLR2004
