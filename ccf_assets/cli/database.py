"""Commands about the database itself: its address, psql, backups, roles, what is loaded, and dropping it.

Not here: commands that load (load) or answer questions about an atlas (ask).
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ccf_assets import settings
from ccf_assets.ccf.space import key_and_space
from ccf_assets.cli import complete
from ccf_assets.cli.commands import command
from ccf_assets.cli.options import CsvOption, JsonOption, answer, say, tell
from ccf_assets.cli.tables import Column, show, show_aligned
from ccf_assets.errors import CcfError, UnknownNameError
from ccf_assets.finding import counted
from ccf_assets.objects import Address

if TYPE_CHECKING:
    from ccf_assets.db.holdings import Holding

app = typer.Typer()


@command(app, "Load")
def status(as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """What is loaded: atlases, rows, sizes, versions, when and from where."""
    from ccf_assets.db import database, holdings

    held = holdings.holdings(database.create_engine())
    if as_json:
        answer([holding.as_json() for holding in held])
    elif sys.stdout.isatty() and not as_csv:
        print_holdings(held)
    else:
        show(_HELD, [_held(each) for each in held], as_csv=as_csv)
        if not held:
            say(_NOTHING)
        for sentence in _missing(held):
            say(sentence)


_NOTHING = "No atlas is loaded yet; run `ccf-assets load`."

_HELD = (
    Column("ccf_id", "number", shown=""),
    Column("atlas", "key"),
    Column("version", "key", spare=3),
    Column("resolution_um", "number", "µm", shown="g"),
    Column("regions", "number", spare=2),
    Column("runs", "number", spare=1),
    Column("voxel_rows", "number", "voxel rows"),
    Column("MB", "number"),
    Column("loaded_local", "key", "loaded (local)"),
    Column("source"),
)
"""Columns of what is loaded; the time is in the zone of this machine."""


def _held(h: Holding) -> tuple[object, ...]:
    rows = (h.rows_of[table] for table in ("brain_region", "voxel_run", "voxel"))
    when = f"{h.loaded_at.astimezone():%Y-%m-%d %H:%M}"
    return (h.ccf_id, h.key, h.version, h.resolution_um, *rows, round(h.size_bytes / 1e6), when, h.source_url)


def _missing(held: Sequence[Holding]) -> list[str]:
    return [
        f"{h.key} is incomplete: no rows in {', '.join(h.missing)}. Run `ccf-assets load {h.key}`."
        for h in held
        if h.missing
    ]


def print_holdings(held: Sequence[Holding]) -> None:
    """Print a table of the loaded atlases and their sources, or a sentence if there is none."""
    if not held:
        tell(_NOTHING)
        return
    show_aligned(_HELD[:-1], [_held(each)[:-1] for each in held])
    typer.echo()
    for h in held:
        tell(f"{key_and_space(h.key, h.space)} ({h.version}) from {h.source_url}", 2)
    for sentence in _missing(held):
        tell(sentence)


@command(app, "Load")
def drop(
    atlases: Annotated[
        list[str] | None, typer.Argument(help="Keys of loaded atlases.", autocompletion=complete.atlases)
    ] = None,
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
            raise UnknownNameError(
                f"Atlas {key!r} is not in the database (loaded: {', '.join(held) or 'none'})."
            )
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
    folder = settings.recordings()
    if recordings and (isinstance(folder, Address) or folder.is_dir()):
        say(f"Files in {folder} are read again by the next load, or while the UI runs.")


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


@command(app, "Server")
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 3000,
) -> None:
    """Run the Dagster UI with its daemon, sensors and schedules, until Ctrl-C."""
    from ccf_assets.cli import ui

    ui.serve(host, port, say)


@command(app, "Server")
def worker(
    slots: Annotated[
        int | None,
        typer.Option(min=1, help="Most runs at a time. Default: the cores of this host, at most CCF_SLOTS."),
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option(help="Queue whose runs it takes; may be given again. Default: dagster, of all runs "
                     "that name no other."),
    ] = None,
) -> None:  # fmt: skip
    """Execute runs of the UI on this host, until Ctrl-C; CCF_ENGINE names the broker they come from.

    It needs CCF_POSTGRES_URL, and pip install 'ccf_assets[celery]'. What is in progress when it ends is
    recorded as failed, and started again on another worker.
    """
    from ccf_assets.cli import worker as celery

    celery.work(slots, queue or (), say)


@command(app, "Server")
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
            while True:
                time.sleep(1)  # signal.pause would not see one that arrives just before it


_PASSED_ON = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": ["--help"],  # -h is the host of PostgreSQL's programs
}


@command(app, "Server", settings=_PASSED_ON)
def psql(context: typer.Context) -> None:
    """Open psql on the database; all arguments are passed on to it.

    Examples: ccf-assets psql -c "SELECT * FROM ccf.region(1, 'VISp')"; ccf-assets psql -? (psql's own help)
    """
    from ccf_assets.db import database
    from ccf_assets.pg import programs

    url = database.database_url()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: it ends a query, not the session
    raise typer.Exit(programs.run_program("psql", context.args, url))


@command(app, "Server", "pg_dump", settings=_PASSED_ON)
def pg_dump(context: typer.Context) -> None:
    """Run pg_dump on the database, to back it up; all arguments are passed on to it.

    Example: ccf-assets pg_dump -n ccf -n ccf_dagster -Fc -f ccf.dump
    """
    from ccf_assets.db import database
    from ccf_assets.pg import programs

    raise typer.Exit(programs.run_program("pg_dump", context.args, database.database_url()))


@command(app, "Server", "pg_restore", settings=_PASSED_ON)
def pg_restore(context: typer.Context) -> None:
    """Run pg_restore on the database, which must have no schema ccf; all arguments are passed on to it.

    Example: ccf-assets pg_restore --no-owner --no-privileges --exit-on-error ccf.dump
    """
    from ccf_assets.db import database
    from ccf_assets.pg import programs

    raise typer.Exit(programs.run_program("pg_restore", context.args, database.empty_database_url()))


@command(app, "Server", "divide-sites")
def divide_sites(
    partitions: Annotated[
        int, typer.Argument(help="How many; 1 joins them again.", min=1, max=settings.MOST_PARTITIONS)
    ],
) -> None:
    """Divide the sites in the database into partitions by recording, for some hundred million sites.

    Every site, view, grant, trigger and foreign key stays. Meanwhile nobody else can read or insert sites,
    and they take their room on the disk twice. A new database has as many as CCF_SITE_PARTITIONS says.
    """
    from ccf_assets.db import database, install
    from ccf_assets.db.site_partitions import partitions_of_sites

    with database.create_engine().begin() as connection:
        before = partitions_of_sites(connection)
        if before != partitions:
            install.divide_sites(connection, partitions)
    number = counted(partitions, "partition")
    say(f"The sites {'were in' if before == partitions else 'are now in'} {number}.")


@command(app, "Server")
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
