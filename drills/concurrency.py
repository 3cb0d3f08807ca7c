"""Loads beside loads, of one atlas and of two, readers beside reloads, sites inserted beside their registration.

.venv/bin/python -m drills.concurrency
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.synchronize import Event
from typing import TypeAlias

import sqlalchemy as sa

from ccf_assets.atlas import atlas
from ccf_assets.db import database, read
from ccf_assets.db.loaded import pick_atlas
from ccf_assets.errors import CcfError
from ccf_assets.recordings import backlog
from drills.contents import ATLAS, BEGUN, Contents, run_job
from drills.lab import DrillLab, expect, say, verdict

OTHER = "phantom_50um"
ROUNDS = 3
RELOADS = 20
READERS = 8
PAUSE_S = 0.2
"""Between two questions of a reader: eight that never pause leave the loads no core, and take hours."""


def main() -> int:
    """Run the drill; the exit code."""
    with DrillLab.anew(CCF_SOURCE="phantom") as lab:
        contents = Contents(lab)
        contents.learn()
        two_loads_of_one_content(lab, contents)
        two_loads_of_two_contents(lab, contents)
        two_atlases_side_by_side(lab)
        readers_beside_reloads(lab, contents)
        sites_inserted_meanwhile(lab)
        lab.leaves_nothing(atlases=1)
    return verdict()


# ---- loads beside loads

_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'ccf'"


def two_loads_of_one_content(lab: DrillLab, contents: Contents) -> None:
    """Two loads begin at once; each round all that an atlas and recordings have is outdated."""
    waited, deadlocks = 0, lab.one(_DEADLOCKS)
    for _ in range(ROUNDS):
        after = contents.flip()
        loads = [lab.start("load", ATLAS.key) for _ in range(2)]
        codes, told = zip(*(load.ended() for load in loads), strict=True)
        waited += sum("waiting for another load of it" in said for said in told)
        if any(codes) or lab.state() != after:
            for said in told:
                say(said)
            expect(False, f"two loads at once: exit codes {codes}, and not the state of one load")
    left = lab.left_over()
    expect(
        lab.one(_DEADLOCKS) == deadlocks and not left,
        f"{ROUNDS} times two loads at once: the state is that of one; {waited} said that they waited; "
        f"{lab.one(_DEADLOCKS) - deadlocks} deadlocks; left: {left or 'nothing'}",
    )


def two_loads_of_two_contents(lab: DrillLab, contents: Contents) -> None:
    """The volume changes while a load is at it, and another load begins."""
    deadlocks, ends = lab.one(_DEADLOCKS), Counter[str]()
    for number in range(ROUNDS):
        contents.flip("volume")
        first = lab.start("load", ATLAS.key)
        first.wait_for(BEGUN)
        time.sleep(number / ROUNDS * contents.seconds / 2)
        after = contents.flip("volume")
        second = lab.start("load", ATLAS.key)
        for load in (first, second):
            code, said = load.ended()
            if "Traceback" in said:
                say(said)
                expect(False, "a load beside one of other content ended with a traceback")
            ends["done" if code == 0 else "said why not"] += 1
            for reason in load.reasons():
                say(f"a load beside one of other content said: {reason}")
        state = lab.state()
        mixed = contents.mixed(state)
        ends["whole"] += state == after
        lab.run("load", ATLAS.key)
        if mixed or lab.state() != after:
            expect(
                False,
                f"a load beside one of other content left a mixture: {mixed or 'and another load kept it'}",
            )
    expect(
        lab.one(_DEADLOCKS) == deadlocks,
        f"{ROUNDS} times a load begun while the volume changed under another: every table is of one content; "
        f"{ends['done']} loads ended well, {ends['said why not']} said why not; all tables were the newer one's "
        f"{ends['whole']} times at once and always after the next load",
    )


def two_atlases_side_by_side(lab: DrillLab) -> None:
    """The rows of two atlases are loaded at once, RELOADS times each, as pool *bulk_load* lets two loads run."""
    lab.run("load", OTHER, "--rows")
    deadlocks = lab.one(_DEADLOCKS)
    before = lab.row(_ROWS)
    keys = (ATLAS.key, OTHER)
    with multiprocessing.get_context("spawn").Pool(len(keys)) as pool:
        ended = pool.map(_load_rows, keys, chunksize=1)
    expect(
        all(ended) and lab.row(_ROWS) == before and lab.one(_DEADLOCKS) == deadlocks,
        f"the rows of two atlases loaded {RELOADS} times at once: {before[0]:,} rows as before, "
        f"{lab.one(_DEADLOCKS) - deadlocks} deadlocks",
    )
    lab.run("drop", OTHER, "--yes")


_ROWS = "SELECT count(*), sum(hashtextextended(v::text, 0)) FROM ccf.voxel AS v"


def _load_rows(key: str) -> bool:
    return all(run_job("load_voxel_rows", key) for _ in range(RELOADS))


# ---- readers beside reloads

_POINTS = "generate_series(5500, 7500, 50) x, generate_series(2000, 5000, 500) y, generate_series(2800, 4200, 100) z"
_SUM = "count(*) || ' ' || coalesce(sum(hashtextextended(r::text, 0)), 0)"
_QUERIES = {
    "count of runs": f"SELECT {_SUM} FROM ccf.voxel_run r WHERE ccf_id = :ccf_id",
    "count of rows": "SELECT count(*) || ' ' || sum(region_id) FROM ccf.voxel WHERE ccf_id = :ccf_id",
    "lookups in SQL": (
        f"SELECT {_SUM} FROM (SELECT x, y, z, ccf.region_at(:ccf_id, x, y, z) FROM {_POINTS}) r"
    ),
    "planes in SQL": f"SELECT {_SUM} FROM ccf.slice(:ccf_id, 'coronal', 6500) r",
}
_REFUSED = "the atlas was loaded again meanwhile"
_POINT = [
    [x, y, z] for x in range(5500, 7500, 100) for y in range(2000, 5000, 500) for z in (3050, 3550, 8000)
]

Ask: TypeAlias = Callable[[sa.Connection, sa.Engine], str]


def _in_sql(text: str) -> Ask:
    return lambda connection, _: str(connection.scalar(sa.text(text), {"ccf_id": ATLAS.ccf_id}))


def _plane(_: sa.Connection, engine: sa.Engine) -> str:
    return _digest(read.plane(engine, pick_atlas(engine, ATLAS.key), "sagittal", 3550).tobytes())


def _atlas_locate(_: sa.Connection, engine: sa.Engine) -> str:
    return _digest(atlas.Atlas(ATLAS.key, engine=engine).locate(_POINT).region_id.tobytes())


def _atlas_slice(_: sa.Connection, engine: sa.Engine) -> str:
    return _digest(atlas.Atlas(ATLAS.key, engine=engine).slice("coronal", 6500).tobytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ASKED: Mapping[str, Ask] = {
    **{name: _in_sql(text) for name, text in _QUERIES.items()},
    "planes": _plane,
    "lookups in Python": _atlas_locate,
    "planes in Python": _atlas_slice,
}
"""What readers ask; the last two by the snapshot Atlas, which refuses to mix what it read."""


def _read(name: str, stop: Event, found: multiprocessing.Queue[tuple[str, Counter[str]]]) -> None:
    """Ask one thing again and again, on one connection; how often there was which answer."""
    engine, answers, drill = database.create_engine(), Counter[str](), multiprocessing.parent_process()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not stop.is_set() and drill is not None and drill.is_alive():
            try:
                answers[ASKED[name](connection, engine)] += 1
            except CcfError as error:
                answers[_REFUSED if "loaded again" in str(error) else f"failed: {error}"] += 1
            except Exception as error:  # a reader that fails is what the drill looks for
                answers[f"failed: {type(error).__name__}: {error}"] += 1
            stop.wait(PAUSE_S)
    found.put((name, answers))


def readers_beside_reloads(lab: DrillLab, contents: Contents) -> None:
    """READERS processes read while the atlas is loaded RELOADS times, of the one and the other content."""
    right: dict[str, set[str]] = {name: set() for name in ASKED}
    for _ in range(2):
        contents.flip("volume")
        lab.run("load", ATLAS.key)
        engine = lab.engine
        with engine.connect() as connection:
            for name, ask in ASKED.items():
                right[name].add(ask(connection, engine))
    differing = sum(len(answers) == 2 for answers in right.values())
    expect(
        differing == len(ASKED),
        f"{differing} of {len(ASKED)} questions have two answers, the old and the new",
    )
    context = multiprocessing.get_context("spawn")
    stop, found = context.Event(), context.Queue()
    names = [list(ASKED)[n % len(ASKED)] for n in range(READERS)]
    readers = [context.Process(target=_read, args=(name, stop, found)) for name in names]
    for reader in readers:
        reader.start()
    started = time.monotonic()
    for _ in range(RELOADS):
        contents.flip("volume")
        if not (run_job("load_atlas") and run_job("load_voxel_rows")):
            expect(False, "a reload beside readers failed")
    seconds = time.monotonic() - started
    stop.set()
    total: Counter[str] = Counter()
    for _ in readers:
        name, answers = found.get(timeout=60)
        wrong = {a: n for a, n in answers.items() if a not in right[name] and a != _REFUSED}
        if wrong:
            expect(False, f"{name}: neither the old nor the new answer, but {wrong}")
        total["right"] += sum(n for a, n in answers.items() if a in right[name])
        total["refused"] += answers[_REFUSED]
        total["both seen"] += right[name] <= set(answers)
    for reader in readers:
        reader.join()
    expect(
        total["both seen"] == READERS,
        f"{RELOADS} reloads in {seconds:.0f} s beside {READERS} readers: {total['right']:,} readings, each of the old "
        f"or the new atlas, none failed, {total['both seen']} readers saw both; the Python snapshot refused "
        f"{total['refused']} times to mix the two",
    )
    state = lab.state()
    expect(
        all(
            state[name] == found
            for name, found in contents.known[contents.at].items()
            if name.startswith("voxel")
        ),
        "after the last reload the voxels are those of a load that nothing disturbed",
    )
    lab.run("load", ATLAS.key)
    expect(lab.state() == contents.known[contents.at], "and after the next load every table is")


# ---- sites beside their registration


def sites_inserted_meanwhile(lab: DrillLab) -> None:
    """Rows come by SQL, ten times a second, while a load registers 20,000 others."""
    lab.do("DELETE FROM ccf.recording_region WHERE source = 'inserted'")
    load, inserted, engine = lab.start("load", ATLAS.key), 0, lab.engine
    while load.process.poll() is None:
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
                    "VALUES ('meanwhile', :n, 6000, 3000, 4000, 'ccf')"
                ),
                {"n": inserted},
            )
        inserted += 1
        time.sleep(0.1)
    code, said = load.ended()
    if code:
        say(said)
    done = lab.one("SELECT count(*) FROM ccf.recording_region WHERE recording_id = 'meanwhile'")
    known = bool(backlog.unregistered(engine))
    expect(
        code == 0 and known == (done < inserted),
        f"{inserted} sites inserted during a load: it registered {done} of them, and the sensor knows of the others",
    )
    lab.run("load", ATLAS.key)
    done = lab.one("SELECT count(*) FROM ccf.recording_region WHERE recording_id = 'meanwhile'")
    expect(
        done == inserted and not backlog.unregistered(engine),
        f"after the next all {done} are registered, and none is left",
    )


if __name__ == "__main__":
    sys.exit(main())
