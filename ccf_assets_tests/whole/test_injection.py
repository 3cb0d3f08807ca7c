"""Text from outside is text: no value, name, key or path is executed, or leads out of the folders."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from ccf_assets import Atlas
from ccf_assets.ccf.frames.files import load_frames
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.cli import main
from ccf_assets.db import install, schema
from ccf_assets.db.database import forget
from ccf_assets.db.frames import keep_frames
from ccf_assets.definitions import defs
from ccf_assets.defs.sensors import changed_region_sets, new_recordings
from ccf_assets.errors import CcfError
from ccf_assets.recordings.scan import keys
from ccf_assets_tests.db.test_roles import CALLS
from ccf_assets_tests.support.recordings_lab import IN_CCF, RecordingsLab
from ccf_assets_tests.support.records import new_records

NASTY = (
    "'; DROP TABLE public.canary; --",
    '"; DROP TABLE public.canary; --',
    "'); DELETE FROM public.canary; SELECT ('",
    "x'::text; TRUNCATE public.canary; --",
    "\\'; DROP TABLE public.canary; --",
    "$$; DROP TABLE public.canary; $$",
    "1; COPY public.canary TO PROGRAM 'touch OUT/executed'; --",
    "' || lo_export(1, 'OUT/executed') || '",
    "$(touch OUT/executed)",
    "`touch OUT/executed`",
    "| touch OUT/executed; touch OUT/executed &",
    "\\! touch OUT/executed",
    "a\n\\! touch OUT/executed",
    "%s %(x)s %d %% {0} {x!r} :name %",
    "../../outside",
    "../outside.csv",
    "OUT/outside.csv",
    "file://OUT/outside.csv",
    "--output=OUT/executed",
    "~root/.. /etc/passwd",
    "C:\\..\\outside",
    "=cmd|'touch OUT/executed'!A1",
    "\u202e\ufeff\x1b[2J\x07",
    "x" * 400,
)
"""What has taken over other programs, and what misleads people; OUT stands for a folder open to all."""

CATALOGUE = """
    SELECT 'relation' AS kind, oid::regclass::text AS name, relacl::text AS acl FROM pg_class
    WHERE relnamespace NOT IN ('pg_toast'::regnamespace, 'pg_catalog'::regnamespace) AND relkind <> 'i'
      AND relnamespace::regnamespace::text !~ '^pg_|^ccf_dagster'
    UNION ALL SELECT 'routine', oid::regprocedure::text, proacl::text FROM pg_proc
    WHERE pronamespace::regnamespace::text !~ '^(pg_catalog|information_schema)$'
    UNION ALL SELECT 'schema', nspname, nspacl::text FROM pg_namespace
    WHERE nspname !~ '^pg_(temp|toast)|^ccf_dagster'
    UNION ALL SELECT 'role', rolname, NULL FROM pg_roles
    UNION ALL SELECT 'canary', name, NULL FROM public.canary
    ORDER BY 1, 2
"""


@pytest.fixture
def out() -> Iterator[Path]:
    """A folder that everybody may write to, the database's server too, and nobody should."""
    with tempfile.TemporaryDirectory(prefix="ccf_test_") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "outside.csv").write_text("recording_id,site_id,x,y,z\noutside,0,6600,4000,6700\n")
        (folder / "outside.toml").write_text('frame = "ccf"\n')
        yield folder


@pytest.fixture
def nasty(out: Path) -> Sequence[str]:
    return [text.replace("OUT", str(out)) for text in NASTY]


@pytest.fixture
def unharmed(phantom_database: sa.Engine, out: Path, tmp_path: Path) -> Iterator[sa.Engine]:
    """A database in which, and in the folders around, all must be as it was in the end."""

    def state() -> object:
        with phantom_database.connect() as connection:
            return connection.execute(sa.text(CATALOGUE)).all()

    def files() -> object:
        around = [file for file in out.rglob("*") if file.is_file()]
        around += [file for file in tmp_path.iterdir() if file.name not in {"ccf", "work"}]
        return {file: file.read_bytes() if file.is_file() else None for file in around}

    with phantom_database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE public.canary AS SELECT 'alive' AS name")
    before = state(), files()
    yield phantom_database
    assert (state(), files()) == before


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Run a command in this process, in a folder of its own."""

    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ccf-assets", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        with pytest.raises(SystemExit) as ended:
            main.main()
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def table(*rows: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


# ---- whoever asks


def test_an_argument_of_a_command_is_text(unharmed: sa.Engine, run: Run, nasty: Sequence[str]) -> None:
    for number, text in enumerate(nasty):
        commands = [
            ["region", text],
            ["region", "root", "--atlas", text],
            ["locate", "--frame", text, "1", "2", "3"],
            ["search", text],
            ["sites", text],
            ["slice", text, "100", "-o", "plane.png"],
            ["export", text, "-o", "table.csv"],
            ["compare", text, "phantom_100um"],
            ["drop", "--yes", text],
            ["load", text],
        ]
        # A third of them for each: a command takes a tenth of a second.
        for command in commands[number % 3 :: 3]:
            code, said = run(*command)
            finds_nothing = command[0] in {"search", "sites"} or text.startswith("--")
            assert code or finds_nothing, (command, said)
            assert "Traceback" not in said
    assert list(Path().iterdir()) == []


def test_a_table_on_standard_input_is_text(unharmed: sa.Engine, run: Run, nasty: Sequence[str]) -> None:
    plain = [text for text in nasty if text.isprintable()]
    names = ["x", "y", "z", *(f"note {number}" for number in range(len(plain)))]
    code, said = run("locate", typed=table(names, [6600, 4000, 6700, *plain]))
    assert code == 0, said
    _, row, *_ = csv.reader(io.StringIO(said))
    assert row[3 : 3 + len(plain)] == plain


def test_a_name_that_python_is_asked_for_is_text(unharmed: sa.Engine, nasty: Sequence[str]) -> None:
    atlas = Atlas("phantom_100um")
    for text in nasty:
        assert atlas.search(text) == []
        for ask in (
            Atlas,
            atlas.region,
            atlas.sites_in,
            atlas.mask,
            atlas.differences,
            lambda text: atlas.mask("root", text),
            lambda text: atlas.slice(text, 100),
            lambda text: atlas.locate([[1, 2, 3]], frame=text),
        ):
            with pytest.raises((CcfError, ValueError, KeyError)):
                ask(text)


def test_an_argument_of_a_function_is_text(unharmed: sa.Engine, nasty: Sequence[str]) -> None:
    calls = [
        "atlas_id(:text)", "check_place(:text, NULL, 1, 1)", "children(904, :text)", "ancestors(904, :text)",
        "descendants(904, :text)", "path_to_root(904, :text)", "region(904, :text)", "region_id(904, :text)",
        "no_such_region(904, :text)", "known_frame(:text, NULL)", "to_ccf(:text, 1, 2, 3)", "sites_in(:text)",
        "sites_in('root', :text)", "slice(904, :text, 100)", "region_names(904, :text)",
        "region_diff(903, 904, :text)", "region_agreement(903, 904, :text)",
        "sites_differing(903, 904, :text)", "site_number(:text)",
    ]  # fmt: skip
    with_text = {name.partition("(")[0] for name in CALLS if "text" in name}
    assert {call.partition("(")[0] for call in calls} == with_text, "every function that takes text"
    with unharmed.connect() as connection:
        for text in nasty:
            for call in calls:
                with contextlib.suppress(sa.exc.DBAPIError), connection.begin_nested():
                    found = connection.execute(sa.text(f"SELECT * FROM ccf.{call}"), {"text": text}).all()
                    # There is no site here, so nothing is compared.
                    assert found or call.startswith("sites_differing"), call


# ---- files


def test_recordings_are_text_from_the_names_of_files_to_their_rows(
    unharmed: sa.Engine, nasty: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "ccf" / "'; DROP TABLE public.canary; -- %s {x} \\! $(x)\n"
    monkeypatch.setenv("CCF_RECORDINGS", str(folder))
    plain = [text for text in nasty if text.isprintable()]
    places = ["site_id", "x", "y", "z"], [0, 6600, 4000, 6700]
    with new_records() as instance:
        lab = RecordingsLab(folder, unharmed, instance)
        rows = [[text, *places[1], text] for text in plain]
        everything = lab.write("all.csv")
        everything.write_text(table(["recording_id", *places[0], "reported_region"], *rows))
        for number, text in enumerate(nasty):
            if "/" not in text:
                path = lab.write(f"{text[:100]}.csv")
                path.write_text(table(["recording_id", *places[0]], [f"file {number}", *places[1]]))
            if number % 2:  # a file takes a tenth of a second
                frame = lab.write(f"frame {number}.csv", toml=f"frame = {toml(text)}")
                frame.write_text(table(["recording_id", *places[0]], [f"frame {number}", *places[1]]))
                continue
            columns = lab.write(
                f"column {number}.csv", toml=f"{IN_CCF}[columns]\nrecording_id = {toml(text)}"
            )
            columns.write_text(table([text, *places[0]], [f"column {number}", *places[1]]))
        lab.age(*folder.iterdir())
        lab.serve(new_recordings)
        sites = "SELECT recording_id, reported_region FROM ccf.recording_site WHERE source = 'all.csv'"
        assert sorted(lab.ask(sites)) == sorted((text, text) for text in plain)
        others = lab.ask("SELECT recording_id FROM ccf.recording_site WHERE source <> 'all.csv'")
    found = {str(name) for (name,) in others}
    assert {name for name in found if name.startswith("file")} == {
        f"file {number}" for number, text in enumerate(nasty) if "/" not in text
    }
    assert {name for name in found if name.startswith("column")} >= {
        f"column {number}" for number, text in enumerate(nasty) if text in plain and not number % 2
    }
    assert not {name for name in found if name.startswith(("frame", "outside"))}


def toml(text: str) -> str:
    """A TOML string."""
    return '"' + "".join(f"\\U{ord(char):08X}" for char in text) + '"'


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["..", ".", "", "%2E", "%2F", "a", "x.csv"])).map("/".join)
)
@example("../outside.csv")
@example("/outside.csv")
@example("a/../../outside.csv")
@example("%2E%2E/outside.csv")
@example("..%2Foutside.csv")
@example("outside\0.csv")
def test_a_partition_key_leads_to_no_file_outside_the_folder(key: str) -> None:
    try:
        found = keys.path_of(Path("/data"), key)
    except CcfError:
        return
    assert Path(os.path.normpath(found)) == found
    assert found.is_relative_to("/data")


def test_a_partition_that_somebody_typed_reads_no_file_outside_the_folder(
    unharmed: sa.Engine, out: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "ccf" / "recordings"
    folder.mkdir(parents=True)
    key = f"{os.path.relpath(out, folder)}/outside.csv"
    with new_records() as instance:
        instance.add_dynamic_partitions("recording", [key])
        job = defs.resolve_job_def("register_recordings")
        job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
        assert RecordingsLab(folder, unharmed, instance).ask("SELECT count(*) FROM ccf.recording_site") == [
            (0,)
        ]


def test_region_sets_are_text(
    unharmed: sa.Engine, nasty: Sequence[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "ccf" / "'; DROP TABLE public.canary; --"
    folder.mkdir(parents=True)
    monkeypatch.setenv("CCF_REGION_SETS", str(folder))
    plain = [text for text in nasty if text.isprintable()]
    header = ["set", "region", "group"]
    (folder / "all.csv").write_text(table(header, *([text, "CTX", text] for text in plain)))
    for number, text in enumerate(nasty):
        (folder / f"region {number}.csv").write_text(table(header, ["s", text, "g"]))
        if "/" not in text:
            (folder / f"{text[:100]}.csv").write_text(table(header, [f"file {number}", "CTX", "g"]))
    with new_records() as instance:
        lab = RecordingsLab(folder, unharmed, instance)
        lab.serve(changed_region_sets)
        groups = (
            "SELECT set_name, group_name FROM ccf.region_set_member WHERE ccf_id = 904 AND region_id = 688"
        )
        stored = set(lab.ask(groups))
    assert stored >= {(text, text) for text in plain}
    assert {name for name, group in stored if group == "g"} == {
        f"file {number}" for number, text in enumerate(nasty) if "/" not in text
    }


def test_frames_are_text(unharmed: sa.Engine, nasty: Sequence[str], tmp_path: Path) -> None:
    file = tmp_path / "ccf" / "frames.toml"
    file.parent.mkdir(exist_ok=True)
    for number, text in enumerate(nasty):
        said = (
            f'description = {toml(text)}\nsource = {toml(text)}\nxyz = ["ap", "dv", "ml"]\nunit = "um"\n'
            'dv_from = "bregma"\norigin_um = [1, 0, 5700]\nap = "anterior"\ndv = "down"\nml = "right"\n'
        )
        file.write_text(f"[{toml(text)}]\n{said}")
        with pytest.raises(CcfError, match="the name must be"):
            load_frames(file)
        file.write_text(f"[mine{number}]\n{said}")
        keep_frames(unharmed)
    with unharmed.connect() as connection:
        frame = schema.coordinate_frame.c
        stored = connection.scalars(sa.select(frame.source).where(frame.name.startswith("mine"))).all()
    assert {each.strip() for each in stored} == {text.strip() for text in nasty}


def test_an_ontology_is_text(
    unharmed: sa.Engine, run: Run, nasty: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    header, *rows = csv.reader(io.StringIO(phantom_ontology.structure_graph_csv().decode()))
    root = dict(zip(header, rows[0], strict=True))
    plain = [text for text in nasty if text.isprintable()]
    ids = range(2_000_000_000, 2_000_000_000 + len(plain))
    for number, text in zip(ids, plain, strict=True):
        of = {
            **root,
            "id": number,
            "parent_structure_id": root["id"],
            "structure_id_path": f"{root.get('structure_id_path')}{number}/",
            "depth": 1,
            "graph_order": number,
            **dict.fromkeys(("acronym", "name", "safe_name"), text),
        }
        rows.append([str(of[name]) for name in header])
    changed = table(header, *rows).encode()
    monkeypatch.setattr(phantom_ontology, "structure_graph_csv", lambda: changed)
    with new_records() as instance:
        for job, key in (("refresh_ontology", None), ("load_atlas", "phantom_100um")):
            defs.resolve_job_def(job).execute_in_process(instance=instance, partition_key=key)
    with unharmed.connect() as connection:
        region = schema.brain_region.c
        query = sa.select(region.acronym).where(region.ccf_id == 904, region.region_id >= ids[0])
        assert set(connection.scalars(query)) == set(plain)
    atlas = Atlas("phantom_100um")
    assert [atlas.region(text).acronym for text in plain] == plain
    code, said = run("region", "-a", "phantom_100um", "--", plain[0])
    assert code == 0
    assert plain[0] in said


# ---- whose search_path comes first

TRAP = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.sprung() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'sprung'; END $$;
DO $$
DECLARE
  o record;
  taken text := 'integer|bigint|real|double precision|numeric|text|boolean';
BEGIN
  FOR o IN SELECT oid, oprname, format_type(oprleft, NULL) AS l, format_type(oprright, NULL) AS r,
                  format_type(oprresult, NULL) AS result
           FROM pg_operator WHERE oprleft <> 0
  LOOP
    CONTINUE WHEN NOT (o.l ~ ('^(' || taken || ')$') AND o.r ~ ('^(' || taken || ')$'));
    EXECUTE format('CREATE FUNCTION evil.operator_%s(%s, %s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS '
      '''BEGIN PERFORM evil.sprung(); END''', o.oid, o.l, o.r, o.result);
    EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.operator_%s)',
      o.oprname, o.l, o.r, o.oid);
  END LOOP;
  FOR o IN SELECT DISTINCT proname, pg_get_function_identity_arguments(oid) AS arguments,
                  format_type(prorettype, NULL) AS result FROM pg_proc
           WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset
             AND provariadic = 0 AND proname ~ '^[a-z_]+$'
             AND format_type(prorettype, NULL) ~ ('^(' || taken || ')$')
  LOOP
    CONTINUE WHEN NOT o.arguments ~ ('^((' || taken || ')(, )?)+$');
    EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS '
      '''BEGIN PERFORM evil.sprung(); END''', o.proname, o.arguments, o.result);
  END LOOP;
END $$;
CREATE FUNCTION public.naive(coordinate double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE AS 'SELECT floor(coordinate / 25) * 25';
"""
"""A schema with everyday operators and functions that raise, and a function that names them as people do."""

EVIL = "evil, pg_catalog, public"


def answers(engine: sa.Engine, search_path: str) -> dict[str, object]:
    """What every function answers to a session with this search_path, and the changes that triggers see."""
    found = {}
    with engine.connect() as connection:
        connection.exec_driver_sql(
            f"SET search_path = {search_path}; SET max_parallel_workers_per_gather = 0"
        )
        for call in CALLS.values():
            found[call] = connection.exec_driver_sql(f"SELECT * FROM {call} LIMIT 20").all()
        for change in (
            "INSERT INTO ccf.recording_site VALUES ('m', 1, 1, 2, 3, 'ccf', 'root')",
            "UPDATE ccf.recording_site SET ap = 5, reported_region = 'CTX'",
            "UPDATE ccf.coordinate_frame SET x_0 = 5400",
            "DELETE FROM ccf.recording_site",
        ):
            found[change] = connection.exec_driver_sql(change).rowcount
        connection.rollback()
    return found


def test_functions_and_triggers_are_not_deceived_by_the_callers_search_path(
    phantom_database: sa.Engine,
) -> None:
    with phantom_database.begin() as connection:
        connection.exec_driver_sql(TRAP.replace("%", "%%"))
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_site VALUES ('m', 0, 6600, 4000, 6700, 'ccf', 'root')"
        )
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_region VALUES "
            "('m', 0, 904, 6600, 4000, 6700, 'right', 997, 'assigned', 'inserted', 0, 0)"
        )
    expected = answers(phantom_database, "public")
    assert answers(phantom_database, EVIL) == expected
    with phantom_database.connect() as connection:
        connection.exec_driver_sql(f"SET search_path = {EVIL}")
        with pytest.raises(sa.exc.DBAPIError, match="sprung"):
            connection.exec_driver_sql("SELECT public.naive(8915)")

    # Nor are views, checks and functions while an owner with such a search_path installs them.
    with phantom_database.begin() as connection:
        connection.exec_driver_sql("COMMENT ON SCHEMA ccf IS 'of an older version'")
        connection.exec_driver_sql("DROP TABLE ccf.region_consistency, ccf.recording_agreement")
    forget()
    with phantom_database.begin() as connection:
        connection.exec_driver_sql(f"SET search_path = {EVIL}")
        assert install.create_tables(connection)
    with phantom_database.begin() as connection:
        # Nothing of ours has come to depend on it.
        connection.exec_driver_sql("DROP FUNCTION public.naive")
        ours = connection.exec_driver_sql(
            "SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend AS d "
            "JOIN pg_proc AS p ON (d.refclassid, d.refobjid) = ('pg_proc'::regclass, p.oid) "
            "WHERE p.pronamespace = 'evil'::regnamespace AND d.classid <> 'pg_operator'::regclass"
        ).all()
        assert ours == []
        connection.exec_driver_sql("DROP SCHEMA evil CASCADE")
    assert answers(phantom_database, "public") == expected


def test_every_function_has_a_search_path_or_is_bound_to_what_it_names(database: sa.Engine) -> None:
    with database.connect() as connection:
        loose = connection.scalars(
            sa.text(
                "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'ccf'::regnamespace "
                "AND prosqlbody IS NULL AND NOT 'search_path=pg_catalog' = ANY(coalesce(proconfig, '{}'))"
            )
        ).all()
    assert loose == []
