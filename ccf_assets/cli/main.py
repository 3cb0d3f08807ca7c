"""The command ccf-assets: its entry point, and the list of its commands.

Not here: loading (load), questions about an atlas (ask), and the database itself (database).
"""

from __future__ import annotations

import dataclasses
import signal
import sys
from typing import Annotated

import typer

from ccf_assets import settings
from ccf_assets.ccf.catalogue import CATALOGUE, AtlasEntry
from ccf_assets.cli import ask, database, load
from ccf_assets.cli.options import JsonOption, answer, say
from ccf_assets.cli.terminal import show_anything
from ccf_assets.errors import CcfError, server_said
from ccf_assets.finding import counted

app = typer.Typer(
    help="The Allen Mouse Brain Common Coordinate Framework in PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for _commands in (load, ask, database):
    app.add_typer(_commands.app)


@app.command("frames")
def list_frames(as_json: JsonOption = False) -> None:
    """The known coordinate frames, including your own (CCF_FRAMES)."""
    from ccf_assets.ccf.frames import files
    from ccf_assets.db import frames

    known = files.load_frames(*settings.frames_files())
    if as_json:
        answer(frames.frame_rows(known))
        return
    for each in known.values():
        typer.echo(f"{each.name}  (unit {each.unit}; x, y, z = {', '.join(each.xyz).upper()})")
        typer.echo(f"    {each.description}")


@app.command("recordings")
def list_recordings(
    as_json: JsonOption = False,
    moved: Annotated[
        bool,
        typer.Option("--moved", help="The folder of recordings was moved here, and the old one is gone."),
    ] = False,
) -> None:
    """Files and other sources of recording sites: their sites, and what is wrong with each source."""
    from ccf_assets.db.database import create_engine
    from ccf_assets.recordings import folders, sources

    folder, engine = settings.recordings(), create_engine()
    if moved:
        folders.take_over(engine, folder)
    found = sources.sources(engine, folder)
    missing = sources.missing_folder(folder, [source.source for source in found if source.state])
    if missing:
        say(missing)
    if as_json:
        answer([dataclasses.asdict(source) for source in found])
        return
    if not (found or missing):
        typer.echo(f"No recordings yet; put a CSV or Parquet file of sites into {folder}.")
    for source in found:
        statuses = ", ".join(f"{count:,} {status}" for status, count in source.statuses.items())
        parts = [counted(source.sites, "site")] if source.sites else []
        parts += [statuses or "not registered yet"] if source.sites else []
        parts += ["refused"] if source.refused and source.state != sources.OF_BEFORE else []
        parts += [source.state] if source.state not in {None, "read"} else []
        typer.echo("  ".join([source.source, *map(str, parts)]))
        for label, sentences in (("refused", source.refused), ("warning", source.warnings)):
            for line in "\n".join(sentences).splitlines():
                typer.echo(f"    {label}: {line}")


@app.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 3000,
) -> None:
    """Run the Dagster UI with its daemon, sensors and schedules, until Ctrl-C."""
    from ccf_assets.cli import ui

    ui.serve(host, port, say)


@app.command()
def catalogue(as_json: JsonOption = False) -> None:
    """The atlases that can be loaded."""
    if as_json:
        answer([entry.as_json() for entry in CATALOGUE.values()])
        return
    for entry in CATALOGUE.values():
        typer.echo(f"{entry.key:16} {_marks(entry):22} {entry.description}")


def _marks(entry: AtlasEntry) -> str:
    first = "phantom" if entry.is_phantom else "default" if entry.default else ""
    return ", ".join(filter(None, [first, "voxel rows" if entry.voxel_rows else ""]))


def main() -> None:
    """Run the command line: a CcfError becomes one line and exit code 1."""
    show_anything()
    # By default these signals skip Python's exit handlers, one of which stops the embedded server.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        app()
    except CcfError as error:
        say(f"ccf-assets: {error}")
        sys.exit(1)
    except Exception as error:
        from sqlalchemy.exc import DBAPIError  # not above: a command that needs no database starts quickly

        if not isinstance(error, DBAPIError):
            raise
        say(f"ccf-assets: {server_said(error)}")
        sys.exit(1)
