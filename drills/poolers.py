"""The program through pgbouncer in each of its modes, and on a streaming replica of a lab's server.

    .venv/bin/python -m drills.poolers [poolers] [replica]

It needs root and Debian's packages postgresql and pgbouncer, of which it starts servers of its own.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.db import database
from ccf_assets.db.install import _INSTALLED, VERSION
from ccf_assets.pg.connect import KEPT, engine_on, parse_url
from ccf_assets.runs import liveness
from drills import servers
from drills.lab import SITES_PER_FILE, Command, DrillLab, expect, say, verdict

ATLASES = ("phantom_100um",)
FILES = 3
ROUNDS = 12
"""Executions of one statement by each session: psycopg prepares at the sixth."""

_TABLES = (
    "SELECT count(*) FILTER (WHERE schemaname = 'public'), "
    "count(*) FILTER (WHERE schemaname = 'ccf_dagster') FROM pg_tables"
)
_ROWS = (
    "SELECT (SELECT count(*) FROM ccf.voxel_run), (SELECT sum(voxels) FROM ccf.region_volume), "
    "(SELECT count(*) FROM ccf.recording_region), (SELECT sum(region_id) FROM ccf.recording_region)"
)
_LOCKS = (
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE locktype = 'advisory' AND datname = current_database()"
)


def main() -> int:
    """Run the drill; the exit code."""
    if lacking := servers.missing():
        say(f"Skipped, for lack of: {lacking}.")
        return 0
    parts = {"poolers": poolers, "replica": replica}
    with DrillLab.anew(CCF_SOURCE="phantom") as lab:
        lab.home.chmod(0o755)  # the servers' user goes through it
        with servers.postgres(lab.home / "primary") as primary:
            for part in sys.argv[1:] or parts:
                parts[part](lab, primary)
    return verdict()


def _use(lab: DrillLab, port: int, name: str) -> str:
    """Let the program use a database at a port; its address."""
    address = servers.url(port, name)
    os.environ["CCF_POSTGRES_URL"] = lab.settings["CCF_POSTGRES_URL"] = address
    database.forget()
    return address


def _new_database(primary: int, name: str) -> str:
    administrator = servers.url(primary, "postgres", "postgres")
    servers.execute(administrator, f"CREATE DATABASE {name} OWNER {servers.OWNER}")
    return servers.url(primary, name)


def _said(lab: DrillLab, *arguments: str) -> tuple[int, str]:
    say("ccf-assets " + " ".join(arguments))
    return Command(lab.settings, *arguments).ended()


# ---- poolers


def poolers(lab: DrillLab, primary: int) -> None:
    """In each mode, with a pooler that refuses startup options and one that ignores them: as without one."""
    direct = _new_database(primary, "direct")
    _use(lab, primary, "direct")
    lab.drop_files("probe", FILES)
    _said(lab, "load", *ATLASES)
    right = servers.execute(direct, _ROWS)[0]
    expect(
        right[2] == len(ATLASES) * FILES * SITES_PER_FILE,
        f"without a pooler: {right[0]} runs, {right[2]} sites registered",
    )
    for mode in ("session", "transaction"):
        for ignores in ("", "options,extra_float_digits"):
            name = f"{mode}_{'ignoring' if ignores else 'refusing'}"
            with servers.pgbouncer(lab.home / name, primary, mode, ignores) as pooler:
                _through(lab, primary, pooler, name, right)


def _through(lab: DrillLab, primary: int, pooler: int, name: str, right: tuple[object, ...]) -> None:
    direct = _new_database(primary, name)
    address = _use(lab, pooler, name)
    code, said = _said(lab, "load", *ATLASES)
    found = re.search(r"ALTER ROLE .*?;", said)
    tables = servers.execute(direct, _TABLES)[0]
    expect(
        code == 1 and found is not None and tables == (0, 0) and "Traceback" not in said,
        f"{name}, no search path of the role: refused with the statement that helps; {tables[0]} tables in public",
    )
    if found is None:
        say(said)
        return
    servers.execute(direct, found[0])
    servers.execute(servers.url(pooler, "pgbouncer", "postgres"), "RECONNECT")
    code, said = _said(lab, "load", *ATLASES)
    rows, tables = servers.execute(direct, _ROWS)[0], servers.execute(direct, _TABLES)[0]
    expect(
        code == 0 and rows == right and tables[0] == 0,
        f"{name}, with it: loaded as without a pooler; {tables[0]} tables in public, {tables[1]} in ccf_dagster",
    )
    if code:
        say(said)
    _a_live_run_is_alive(direct, name)
    _two_sessions(address, name)
    _many_questions(name)
    _files_under_the_ui(lab, direct, name)
    left = servers.execute(direct, _LOCKS)[0][0]
    expect(left == 0, f"{name}: {left} advisory locks are left at the end")


def _a_live_run_is_alive(direct: str, name: str) -> None:
    """While a run holds its lock it is alive for whoever looks, and when it ended nothing is locked."""
    run = "00000000-0000-0000-0000-000000000000"

    def looks_lost() -> bool:
        engine = liveness.lock_engine()
        with engine.connect() as connection:
            return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(liveness._key(run)))))

    with liveness.held(run):
        lost = [looks_lost() for _ in range(5)]
        time.sleep(2 * liveness.BEAT_S)
        held_back = servers.execute(
            direct,
            "SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid) "
            "WHERE locktype = 'advisory' AND backend_xmin IS NOT NULL AND datname = current_database()",
        )[0][0]
    after, locks = looks_lost(), servers.execute(direct, _LOCKS)[0][0]
    expect(
        not any(lost) and after and not locks and not held_back,
        f"{name}: a live run was taken for lost {sum(lost)} times of 5, held back vacuum in {held_back} sessions; "
        f"after it {'free' if after else 'still taken'}, {locks} locks",
    )


def _two_sessions(address: str, name: str) -> None:
    """Two sessions that are kept execute the same statements many times, in turns."""
    engines = [engine_on(parse_url(address, "the pooler"), pool=KEPT) for _ in range(2)]
    counted = 0
    for _ in range(ROUNDS):
        for engine in engines:
            with engine.connect() as connection:
                counted += connection.scalar(
                    sa.text("SELECT count(*) FROM ccf.atlas WHERE ccf_id > :n"), {"n": 0}
                )
    for engine in engines:
        engine.dispose()
    expect(
        counted == 2 * ROUNDS * len(ATLASES), f"{name}: {ROUNDS} rounds in two sessions, none of them failed"
    )


def _many_questions(name: str) -> None:
    """Many threads ask at once: what a question needs of a session is in its transaction."""
    barrier = threading.Barrier(8)
    points = [[6000, 3000, 4000], [7000, 3000, 8000]]
    expected = Atlas(ATLASES[0]).locate(points).acronym.tolist()

    def ask(_: int) -> bool:
        barrier.wait()
        atlas = Atlas(ATLASES[0])
        atlas.volume()  # by Arrow, with a driver of its own
        return all(atlas.locate(points).acronym.tolist() == expected for _ in range(5))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    expect(all(answers), f"{name}: {len(answers)} threads asked at once and were all answered alike")


def _files_under_the_ui(lab: DrillLab, direct: str, name: str) -> None:
    """Files that arrive under the UI are registered by runs of their own processes, and no run is called lost."""
    lab.drop_files(name, FILES)
    query = f"SELECT count(*) FROM ccf.recording_region WHERE source ~ '^{name}[0-9]+[.]csv$'"
    with lab.up():
        seconds = lab.until(
            lambda: (
                servers.execute(direct, query)[0][0] == len(ATLASES) * FILES * SITES_PER_FILE
                and not servers.execute(
                    direct,
                    "SELECT 1 FROM ccf_dagster.runs WHERE status NOT IN ('SUCCESS','FAILURE','CANCELED')",
                )
            )
        )
    failed = servers.execute(direct, "SELECT count(*) FROM ccf_dagster.runs WHERE status <> 'SUCCESS'")[0][0]
    expect(
        failed == 0,
        f"{name}: {FILES} files under the UI registered after {seconds:.0f} s, {failed} runs failed",
    )
    for file in lab.recordings.glob(f"{name}*.csv"):
        file.unlink()


# ---- a streaming replica

_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "status": ("status",),
    "region": ("region", "VISp", "--atlas", ATLASES[0]),
    "locate": ("locate", "6000", "3000", "4000"),
    "locate in a frame": ("locate", "--frame", "stereotaxic", "-3500", "500", "2500"),
    "search": ("search", "visual"),
    "track": ("track", "6000", "500", "4000", "6000", "5500", "4000"),
    "frames": ("frames",),
    "sites": ("sites", "root"),
    "recordings": ("recordings",),
    "psql": ("psql", "-Atc", "SELECT count(*), sum(region_id) FROM ccf.voxel_run"),
}
_REFUSED = (
    ("load", ATLASES[0]),
    ("register",),
    ("up", "--port", "0"),
    ("drop", ATLASES[0], "--yes"),
    ("roles",),
)
_OWN_FRAME = """[mine]
description = "ours"
source = "the lab"
xyz = ["ap", "dv", "ml"]
unit = "um"
dv_from = "bregma"
origin_um = [5400, 0, 5700]
ap = "anterior"
dv = "down"
ml = "right"
"""


def replica(lab: DrillLab, primary: int) -> None:
    """A replica answers every question as the primary does, writes nothing, and says what to do where it must."""
    direct = _new_database(primary, "original")
    _new_database(primary, "empty")
    _use(lab, primary, "original")
    lab.drop_files("replicated", FILES)
    _said(lab, "load", *ATLASES)
    with servers.postgres(lab.home / "standby", primary) as standby:
        frames = lab.home / "frames.toml"
        frames.write_text(_OWN_FRAME)
        answers = {}
        for place, port in (("standby", standby), ("primary", primary)):  # before the primary knows the frame
            _use(lab, port, "original")
            answers[place] = {name: _said(lab, *question) for name, question in _QUESTIONS.items()}
            answers[place]["slice"] = _picture(lab)
            answers[place]["Atlas"] = _asked_in_python()
        differ = [name for name, answer in answers["standby"].items() if answer != answers["primary"][name]]
        failed = [name for name, (code, _) in answers["standby"].items() if code]
        expect(
            not differ and not failed,
            f"{len(answers['standby'])} questions answered by the replica as by the primary; differ: "
            f"{differ or 'none'}; failed: {failed or 'none'}",
        )
        for name in {*differ, *failed}:
            say(f"{name}: {answers['standby'][name]} and {answers['primary'][name]}")
        _use(lab, standby, "original")
        _are_refused(lab, "read-only copy", *_REFUSED)
        _use(lab, standby, "empty")
        _are_refused(lab, "without the tables", ("status",))
        servers.execute(direct, f"COMMENT ON SCHEMA ccf IS '{_INSTALLED}{VERSION - 1}'")
        _follow(primary, standby)
        _use(lab, standby, "original")
        _are_refused(
            lab, f"read-only copy of version {VERSION - 1}", ("region", "VISp"), ("load", ATLASES[0])
        )
        _use(lab, primary, "original")
        _said(lab, "status")
        _follow(primary, standby)
        _use(lab, standby, "original")
        code, _ = _said(lab, "status")
        expect(code == 0, "and when a command was used on the primary, the replica answers again")
        frames.unlink()


def _follow(primary: int, standby: int) -> None:
    """Wait until the replica has all that the primary has written."""
    lsn = servers.execute(servers.url(primary, "postgres"), "SELECT pg_current_wal_lsn()")[0][0]
    query = f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'"
    while not servers.execute(servers.url(standby, "postgres"), query)[0][0]:
        time.sleep(0.05)


def _picture(lab: DrillLab) -> tuple[int, str]:
    file = lab.home / "slice.png"
    code, said = _said(lab, "slice", "coronal", "6000", "-o", str(file), "--sites")
    content = file.read_bytes().hex() if file.exists() else ""
    file.unlink(missing_ok=True)
    return code, said + content


def _asked_in_python() -> tuple[int, str]:
    atlas = Atlas(ATLASES[0])
    region = atlas.region("root")
    return 0, f"{region.volume_mm3} {atlas.volume().sum()} {atlas.search('visual')}"


def _are_refused(lab: DrillLab, words: str, *commands: tuple[str, ...]) -> None:
    """Each ends with one sentence, which has ``words`` in it."""
    for command in commands:
        code, said = _said(lab, *command)
        told = [line for line in said.splitlines() if words in line]
        expect(
            code == 1 and len(told) == 1 and "Traceback" not in said,
            f"on the replica {command[0]} says: {told or said}",
        )


if __name__ == "__main__":
    sys.exit(main())
