"""The command ccf-assets: its entry point, and the list of its commands.

Not here: the commands themselves (ask, pictures, view, export, load, catalogue, recordings, database).
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from ccf_assets.cli import ask, catalogue, database, export, load, pictures, recordings, view
from ccf_assets.cli.commands import Group
from ccf_assets.cli.options import say
from ccf_assets.cli.terminal import show_anything
from ccf_assets.errors import CcfError, server_said

app = typer.Typer(
    help="The Allen Mouse Brain Common Coordinate Framework in PostgreSQL.",
    cls=Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

for _commands in (ask, pictures, view, export, load, catalogue, recordings, database):
    app.add_typer(_commands.app)


def _version(asked: bool) -> None:
    if asked:
        import platform
        from importlib.metadata import version

        import ccf_assets
        from ccf_assets.db.install import VERSION

        typer.echo(
            f"ccf-assets {ccf_assets.__version__} (tables of version {VERSION}, "
            f"Python {platform.python_version()}, Dagster {version('dagster')})"
        )
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """What is the same for all commands; the version is printed by its own callback."""


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
