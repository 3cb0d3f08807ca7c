"""PostgreSQL's own programs: psql, pg_dump and pg_restore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import sqlalchemy as sa

from ccf_assets.pg import embedded
from ccf_assets.pg.connect import libpq_url


def run_program(name: str, arguments: Sequence[str], url: sa.URL) -> int:
    """Run psql, pg_dump or pg_restore on the database and return its exit code.

    It is the one that came along, or the one on the PATH where there is none. The password goes by the
    environment: arguments can be read by everybody on the machine.
    """
    bundled = embedded.program(name)
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    address = ["--dbname", libpq_url(url._replace(password=None))]
    command = [str(bundled) if bundled.exists() else name, *address, *arguments]
    return subprocess.run(command, check=False, env=environment).returncode
