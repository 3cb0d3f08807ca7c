"""What the benchmarks share: a server of their own, statements timed where they are sent, tables of figures.

Every benchmark works in a temporary folder with an embedded server in it, and removes both at its end. It
neither uses nor touches what CCF_HOME and CCF_POSTGRES_URL name.
"""

from __future__ import annotations

import argparse
import atexit
import os
import platform
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import psycopg
import sqlalchemy as sa
from psycopg import sql

from ccf_assets import postgres, schema, settings
from ccf_assets.definitions import build_defs
from ccf_assets.io_manager import PostgresIOManager
from ccf_assets.resources import PostgresResource, SourcesResource

# ---- a server and a folder of one's own


def workplace() -> Path:
    """A folder for this process, with an embedded server, downloads and all in it; removed when it ends.

    Every user can read it, because the server, under root, runs as a user of its own, and a server-side
    COPY reads files.
    """
    os.environ.setdefault("CCF_SOURCE", settings.PHANTOM)
    os.environ.pop("CCF_POSTGRES_URL", None)
    folder = Path(tempfile.mkdtemp(prefix="ccf_benchmark_"))
    # The server is stopped at exit too, and what is registered first runs last.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder.chmod(0o755)
    os.environ["CCF_HOME"] = str(folder)
    return folder


def default_atlas(resolution_um: int) -> str:
    """The atlas of the configured source at a resolution."""
    source = os.environ.get("CCF_SOURCE", settings.PHANTOM)
    return f"{'phantom' if source == settings.PHANTOM else 'ccf_2017'}_{resolution_um}um"


def machine() -> str:
    """One line that says what the figures were measured on."""
    gb = psutil.virtual_memory().total / 2**30
    system = f"{os.cpu_count()} cores, {gb:.0f} GB, Python {platform.python_version()}"
    return f"{system}, load average {os.getloadavg()[0]:.1f}"


def server(engine: sa.Engine) -> str:
    """The server's name and version."""
    with engine.connect() as connection:
        return f"PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}"


def options_of_questions(about: str) -> argparse.Namespace:
    """Of a benchmark that asks questions of one atlas: which atlas, and how often each is asked."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--atlas", help="key of the atlas (default: 25 µm of the configured source)")
    parser.add_argument("--repeat", type=int, default=9, help="times each question is asked (default 9)")
    return parser.parse_args()


def say(line: str) -> None:
    """Progress, apart from the figures."""
    print(line, file=sys.stderr, flush=True)


def postmaster() -> psutil.Process:
    """The embedded server's first process."""
    pid = (settings.home() / "postgres" / "postmaster.pid").read_text().split()[0]
    return psutil.Process(int(pid))


def cpu_seconds() -> float:
    """Processor time so far of this process and of the embedded server, its ended processes included.

    What others do on the machine meanwhile changes it far less than it changes the time on the clock.
    """
    first = postmaster()
    ended = first.cpu_times()
    living = 0.0
    for process in (first, *first.children()):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            living += times.user + times.system
    return time.process_time() + living + ended.children_user + ended.children_system


# ---- statements, timed where they are sent

_STEPS = (
    (r"COPY .* FROM ", "rows"),
    (r"INSERT INTO ", "rows"),
    (r"PRIMARY KEY \(", "primary key"),
    (r"CREATE INDEX", "index"),
    (r"FOREIGN KEY", "foreign key"),
    (r"CHECK \(", "check"),
    (r"ANALYZE", "analyze"),
    (r"ATTACH PARTITION|DROP TABLE|LOCK TABLE", "swap"),
    (r"COMMIT", "commit"),
)
STEPS = ("rows", "primary key", "index", "check", "analyze", "foreign key", "swap", "commit")
"""The steps of a load that take time, in the order they are taken."""

spent: dict[str, float] = defaultdict(float)
"""Seconds by step since ``clear_spent``; whatever else is sent to the server counts as ``other``."""


@contextmanager
def _timed(statement: str) -> Iterator[None]:
    step = next((name for pattern, name in _STEPS if re.search(pattern, statement)), "other")
    started = time.perf_counter()
    try:
        yield
    finally:
        spent[step] += time.perf_counter() - started


def _text(query: Any) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string()
    return query.decode() if isinstance(query, bytes) else str(query)


class _TimedCursor(psycopg.Cursor[Any]):
    """A cursor that notes how long each statement takes."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> _TimedCursor:
        with _timed(_text(query)):
            super().execute(query, *args, **kwargs)
        return self

    @contextmanager
    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Iterator[psycopg.Copy]:
        with _timed(_text(statement)), super().copy(statement, *args, **kwargs) as copy:
            yield copy


class _TimedConnection(psycopg.Connection[Any]):
    """A connection whose statements and commits are timed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = _TimedCursor

    def commit(self) -> None:
        with _timed("COMMIT"):
            super().commit()


class TimedPostgres(PostgresResource):
    """The database as the program knows it, with every statement timed."""

    def create_engine(self) -> sa.Engine:
        """An engine whose connections time their statements."""
        address = postgres.libpq_url(postgres.database_url())
        return sa.create_engine(
            postgres.database_url(),
            poolclass=sa.NullPool,
            creator=lambda: _TimedConnection.connect(address),
        )


def definitions(sources: SourcesResource | None = None) -> dg.Definitions:
    """The program's own definitions, on a timed database and, if given, other sources."""
    return build_defs(resource_overrides=resources(sources))


def resources(sources: SourcesResource | None = None) -> dict[str, Any]:
    """The resources of ``definitions``."""
    timed = TimedPostgres()
    return {
        "postgres": timed,
        "io_manager": PostgresIOManager(postgres=timed, schema=schema.SCHEMA),
        "sources": sources or SourcesResource(),
    }


def load_atlas(defs: dg.Definitions, instance: dg.DagsterInstance, key: str) -> dg.ExecuteInProcessResult:
    """Load an atlas by the program's own jobs, checks and all, but without its rows."""
    quiet = {"loggers": {"console": {"config": {"label": key}}}}
    refresh, load = (defs.resolve_job_def(name) for name in ("refresh_ontology", "load_atlas"))
    refresh.execute_in_process(instance=instance, run_config=quiet)
    return load.execute_in_process(instance=instance, partition_key=key, run_config=quiet)


def settle(engine: sa.Engine) -> None:
    """Write out what earlier loads left in memory, so that nobody else pays for it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")


# ---- figures

median = statistics.median


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def seconds(value: float | None) -> str:
    """Seconds as a figure: two decimals, or a dash for what was not measured."""
    return "–" if value is None else f"{value:.2f}"


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of every figure over repetitions; one that is missing counts as zero."""
    names = dict.fromkeys(name for sample in samples for name in sample)
    return {name: median([sample.get(name, 0.0) for sample in samples]) for name in names}
