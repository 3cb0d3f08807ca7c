"""Running PostgreSQL's client programs: psql, pg_dump and pg_restore.

Not here: the server's programs (embedded.py).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import sqlalchemy as sa

from ccf_assets.pg import embedded
from ccf_assets.pg.connect import diverting, libpq_url


def run_program(name: str, arguments: Sequence[str], url: sa.URL) -> int:
    """Run psql, pg_dump or pg_restore on the database at ``url`` and return its exit code.

    It is the bundled program, or the one on the PATH if none is bundled. The password is passed in the
    environment: everybody on the machine can read a program's arguments.
    """
    bundled = embedded.program(name)
    hidden = {*diverting(url)} - {"PGCLIENTENCODING"}  # which is the terminal's
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    address = ["--dbname", libpq_url(url._replace(password=None))]
    command = [str(bundled) if bundled.exists() else name, *address, *arguments]
    return subprocess.run(command, check=False, env=environment).returncode
