"""Commands about the database itself: its address, psql, backups, roles, what is loaded, and dropping it.

Not here: commands that load (load) or answer questions about an atlas (ask).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated

import typer

from ccf_assets import settings
from ccf_assets.cli.options import JsonOption, answer, say
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted

app = typer.Typer()


@app.command()
def status(as_json: JsonOption = False) -> None:
    """What is loaded: atlases, rows, sizes, versions, when and from where."""
    from ccf_assets.db import database, holdings

    if as_json:
        held = holdings.holdings(database.create_engine())
        answer([holding.as_json() for holding in held])
    else:
        print_holdings()


_LOADED = "loaded (local)"
"""Heading of the time at which an atlas was loaded, in the time zone of this machine."""


def print_holdings() -> None:
    """Print a table of the loaded atlases, or a sentence if there is none."""
    from rich.console import Console
    from rich.table import Table

    from ccf_assets.db import database, holdings

    held = holdings.holdings(database.create_engine())
    console = Console(width=None if sys.stdout.isatty() else 150)
    if not held:
        console.print("No atlas is loaded yet; run `ccf-assets load`.")
        return
    table = Table(title="Loaded atlases", title_justify="left")
    for heading in ("ccf_id", "atlas", "version", "µm", "regions", "runs", "voxel rows", "MB", _LOADED):
        table.add_column(heading, justify="left" if heading in {"atlas", "version", _LOADED} else "right")
    for h in held:
        table.add_row(
            str(h.ccf_id), h.key, h.version, f"{h.resolution_um:g}", f"{h.rows_of['brain_region']:,}",
            f"{h.rows_of['voxel_run']:,}", f"{h.rows_of['voxel']:,}", f"{h.size_bytes / 1e6:,.0f}",
            f"{h.loaded_at.astimezone():%Y-%m-%d %H:%M}",
        )  # fmt: skip
    console.print(table)
    for h in held:
        console.print(f"{h.key} from {h.source_url}", highlight=False, soft_wrap=True)
    for h in held:
        if h.missing:
            advice = f"Run `ccf-assets load {h.key}`."
            sentence = f"{h.key} is incomplete: no rows in {', '.join(h.missing)}. {advice}"
            console.print(sentence, highlight=False, soft_wrap=True)


@app.command()
def drop(
    atlases: Annotated[list[str] | None, typer.Argument(help="Keys of loaded atlases.")] = None,
    recordings: Annotated[
        bool,
        typer.Option("--recordings", help="All recordings, too: those from files and inserted ones."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove atlases from the database, after listing what is lost. Recordings stay without --recordings.

    Downloaded files and files of recordings stay where they are.
    """
    from ccf_assets.db import database, holdings

    keys = list(dict.fromkeys(atlases or []))
    if not (keys or recordings):
        raise CcfError(
            "Name the atlases to drop, or give --recordings; `ccf-assets status` lists those that are loaded."
        )
    engine = database.create_engine()
    held = {holding.key: holding for holding in holdings.holdings(engine)}
    for key in keys:
        if key not in held:
            raise CcfError(f"Atlas {key!r} is not in the database (loaded: {', '.join(held) or 'none'}).")
    chosen = [held[key] for key in keys]
    for atlas in chosen:
        say(f"{atlas.key}: {_rows(atlas.rows_of)} ({atlas.size_bytes / 1e6:,.0f} MB)")
    rows, inserted = holdings.recorded(engine)
    sites = counted(rows["recording_site"], "recording site")
    if recordings:
        lost = f"{inserted:,} of the sites came from no file and cannot be read again"
        say(f"recordings: {_rows(rows) or 'none'}; {lost}")
    elif rows["recording_site"]:
        say(f"The {sites} stay, without a region in the dropped atlases; --recordings drops them, too.")
    what = ", ".join([*keys, *(["all recordings"] if recordings else [])])
    if not yes:
        typer.confirm(f"Drop {what} with all these rows?", abort=True)
    holdings.drop_atlas(engine, *(atlas.ccf_id for atlas in chosen), recordings=recordings)
    if keys:
        _remove_partitions(keys)
    say(f"Dropped {what}.")
    if recordings and settings.recordings().is_dir():
        say(f"Files in {settings.recordings()} are read again by the next load, or while the UI runs.")


def _remove_partitions(keys: Sequence[str]) -> None:
    """Take dropped atlases out of the UI; the records of their runs stay."""
    import dagster as dg

    from ccf_assets.defs.partitions import remove_atlases
    from ccf_assets.runs.home import dagster_home

    dagster_home(say)
    with dg.DagsterInstance.get() as instance:
        remove_atlases(instance, keys)


def _rows(by_table: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {table}" for table, count in by_table.items() if count)


@app.command()
def url(
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep the embedded server running until Ctrl-C.")
    ] = False,
) -> None:
    """Print the address of the database, its password too, for psql and other programs.

    The embedded server runs while a ccf-assets command or the UI does: use `ccf-assets url --hold` to keep
    it for another program, or `ccf-assets psql`.
    """
    from ccf_assets.db import database
    from ccf_assets.pg import connect

    typer.echo(connect.libpq_url(database.database_url()))
    if not hold and settings.postgres_url() is None:
        say("The embedded server runs while a command or the UI uses it; --hold keeps it for other programs.")
    if hold:
        sys.stdout.flush()
        # A script's shell starts what runs in the background with SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("Holding the server; stop with Ctrl-C.")
        with suppress(KeyboardInterrupt):
            signal.pause()


_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


@app.command(context_settings=_PASSED_ON)
def psql(context: typer.Context) -> None:
    """Open psql on the database; all arguments are passed on to it.

    Examples: ccf-assets psql -c "SELECT * FROM ccf.region(1, 'VISp')"; ccf-assets psql -? (psql's own help)
    """
    from ccf_assets.db import database
    from ccf_assets.pg import programs

    url = database.database_url()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: it ends a query, not the session
    raise typer.Exit(programs.run_program("psql", context.args, url))


@app.command("pg_dump", context_settings=_PASSED_ON)
def pg_dump(context: typer.Context) -> None:
    """Run pg_dump on the database, to back it up; all arguments are passed on to it.

    Example: ccf-assets pg_dump -n ccf -n ccf_dagster -Fc -f ccf.dump
    """
    from ccf_assets.db import database
    from ccf_assets.pg import programs

    raise typer.Exit(programs.run_program("pg_dump", context.args, database.database_url()))


@app.command("pg_restore", context_settings=_PASSED_ON)
def pg_restore(context: typer.Context) -> None:
    """Run pg_restore on the database, which must have no schema ccf; all arguments are passed on to it.

    Example: ccf-assets pg_restore --no-owner --no-privileges --exit-on-error ccf.dump
    """
    from ccf_assets.db import database
    from ccf_assets.pg import programs

    raise typer.Exit(programs.run_program("pg_restore", context.args, database.empty_database_url()))


@app.command()
def roles() -> None:
    """Make the group roles ccf_reader and ccf_writer on your server, or update their rights.

    Members of ccf_reader read every table and view in schema ccf and call its functions; those of ccf_writer
    insert recording sites, too. They have no other rights. A person's own role becomes a member by
    GRANT ccf_reader TO jane.
    """
    from ccf_assets.db import database
    from ccf_assets.db import roles as group_roles

    with database.create_engine().begin() as connection:
        made = group_roles.make(connection)
    for role, may in ((group_roles.READER, "read all"), (group_roles.WRITER, "read all, insert sites")):
        typer.echo(f"{role}: {'made' if made[role] else 'existed, its rights are up to date'}; may {may}")
    say("Make a person's role a member with: GRANT ccf_reader TO jane")
