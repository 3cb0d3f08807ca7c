"""The group roles: each can do what it is for, and nothing else, whatever is loaded or upgraded later."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from ccf_assets import Atlas
from ccf_assets.db import database, holdings, loaded, roles
from ccf_assets.definitions import defs
from ccf_assets.defs.sensors import unregistered_sites
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect
from ccf_assets.recordings import sources
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.program import ccf
from ccf_assets_tests.support.recordings_lab import RecordingsLab
from ccf_assets_tests.support.records import new_records

INSIDE = (6600, 4000, 6700)
"""A point in the phantom, CCF µm."""

SITES = "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, reported_region) "

THE_OWNERS = ("condense_tally()", "recount_sites()")
"""Functions that write, and that readers cannot use."""

CALLS = {
    "ancestors(integer,bigint)": "ccf.ancestors(904, 997)",
    "ancestors(integer,text)": "ccf.ancestors(904, 'CH')",
    "atlas_id(text)": "ccf.atlas_id('phantom_100um')",
    "atlases_there()": "ccf.atlases_there()",
    "check_place(text,double precision,double precision,double precision)": "ccf.check_place('It', 1, 2, 3)",
    "children(integer,bigint)": "ccf.children(904, 997)",
    "children(integer,text)": "ccf.children(904, 'root')",
    "default_atlas()": "ccf.default_atlas()",
    "descendants(integer,bigint)": "ccf.descendants(904, 997)",
    "descendants(integer,text)": "ccf.descendants(904, 'root')",
    "known_frame(text,integer)": "ccf.known_frame('stereotaxic', 904)",
    "loaded_atlas(integer)": "ccf.loaded_atlas(904)",
    "no_such_region(integer,text)": "ccf.no_such_region(904, 'ROOT')",
    "path_to_root(integer,bigint)": "ccf.path_to_root(904, 567)",
    "path_to_root(integer,text)": "ccf.path_to_root(904, 'CH')",
    "region(integer,bigint)": "ccf.region(904, 997)",
    "region(integer,text)": "ccf.region(904, 'root')",
    "region_at(integer,double precision,double precision,double precision)": (
        "ccf.region_at(904, 6600, 4000, 6700)"
    ),
    "regions_at(integer,double precision[],double precision[],double precision[])": (
        "ccf.regions_at(904, '{6600}', '{4000}', '{6700}')"
    ),
    "region_agreement(integer,integer,text)": "ccf.region_agreement(903, 904, 'acronym')",
    "region_diff(integer,integer)": "ccf.region_diff(903, 904)",
    "region_diff(integer,integer,text)": "ccf.region_diff(903, 904, 'acronym')",
    "region_id(integer,bigint)": "ccf.region_id(904, 997)",
    "region_id(integer,text)": "ccf.region_id(904, 'root')",
    "region_names(integer,text)": "ccf.region_names(904, 'acronym')",
    "region_number(bigint)": "ccf.region_number(997)",
    "region_overlap(integer,integer)": "ccf.region_overlap(904, 904)",
    "region_overlap_by_plane(integer,integer,integer,integer)": "ccf.region_overlap_by_plane(904, 904, 0, 1)",
    "region_shares(integer,double precision,double precision,double precision,double precision)": (
        "ccf.region_shares(904, 6600, 4000, 6700, 300)"
    ),
    "regions_along(integer,double precision,double precision,double precision,double precision,"
    "double precision,double precision)": "ccf.regions_along(904, 6600, 0, 6700, 6600, 4000, 6700)",
    "site_number(text)": "ccf.site_number('tip')",
    "sites_differing(integer,integer,text)": "ccf.sites_differing(903, 904)",
    "sites_in(bigint,text)": "ccf.sites_in(997, 'phantom_100um')",
    "sites_in(text,text)": "ccf.sites_in('root')",
    "slice(integer,text,double precision)": "ccf.slice(904, 'coronal', 6600)",
    "to_ccf(text,double precision,double precision,double precision,integer)": (
        "ccf.to_ccf('stereotaxic', -1200, 3000, 1000, 904)"
    ),
    "usable(double precision)": "ccf.usable(1)",
    "voxel_um(double precision,double precision,integer)": "ccf.voxel_um(8915, 25, 528)",
    "voxel_um(double precision,real,integer)": "ccf.voxel_um(8915, 25::real, 528)",
    "voxels(integer)": "ccf.voxels(904)",
}
"""A call that gives a row, of every function by its signature."""

RELATIONS = (
    "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'ccf'::regnamespace AND relkind = ANY(%s)"
)


@pytest.fixture(scope="module")
def server(server_url: sa.URL) -> Iterator[sa.URL]:
    """A server without the group roles, before and after."""
    with psycopg.connect(connect.libpq_url(server_url), autocommit=True) as connection:
        there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = ANY(%s)", [list(roles.ROLES)])
        if there.fetchone():
            pytest.skip("the server has roles of these names, which are not the tests' to drop")
        yield server_url
        made = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(roles.ROLES)])
        names = [name for (name,) in made]
        for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'ccf_test_%'"):
            address = connect.libpq_url(server_url.set(database=name))
            with psycopg.connect(address, autocommit=True) as there:
                for role in names:
                    there.execute(f"DROP OWNED BY {role}")
        for role in names:
            connection.execute(f"DROP ROLE {role}")


@contextmanager
def login(server: sa.URL, *grants: str, name: str = "") -> Iterator[str]:
    """A login role of the server, with ``grants`` of roles."""
    name = name or f"person_{uuid.uuid4().hex[:8]}"
    quoted = '"' + name.replace('"', '""') + '"'
    with psycopg.connect(connect.libpq_url(server), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {quoted} LOGIN")
        for grant in grants:
            connection.execute(f"GRANT {grant} TO {quoted}")
        yield name
        connection.execute(f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")


@pytest.fixture(scope="module")
def shared(server: sa.URL, _phantom_url: sa.URL) -> Iterator[sa.URL]:
    """A database with two phantoms, Dagster's records, a site, and both roles."""
    with (
        new_database(server, template=_phantom_url.database) as url,
        sa.create_engine(url).begin() as connection,
    ):
        connection.exec_driver_sql("CREATE SCHEMA ccf_dagster; CREATE TABLE ccf_dagster.runs (id int)")
        roles.make(connection)
        connection.exec_driver_sql(SITES + "VALUES ('of the owner', 0, 6600, 4000, 6700, 'ccf', 'root')")
        connection.exec_driver_sql(
            "INSERT INTO ccf.recording_region SELECT 'of the owner', 0, 904, 6600, 4000, 6700, 'right', 997, "
            "'assigned', 'inserted', 0, 0 "
            "UNION ALL SELECT 'of the owner', 0, 903, 6600, 4000, 6700, 'right', NULL, "
            "'outside_brain', 'inserted', 0, 0"
        )
        connection.commit()
        connection.engine.dispose()
        yield url


@pytest.fixture(scope="module")
def reader(server: sa.URL, shared: sa.URL) -> Iterator[sa.URL]:
    with login(server, roles.READER) as name:
        yield shared.set(username=name)


@pytest.fixture(scope="module")
def writer(server: sa.URL, shared: sa.URL) -> Iterator[sa.URL]:
    with login(server, roles.WRITER) as name:
        yield shared.set(username=name)


@pytest.fixture(params=["reader", "writer"])
def person(request: pytest.FixtureRequest) -> sa.URL:
    """The address for a member of either role."""
    url: sa.URL = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def copy(server: sa.URL, _phantom_url: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.URL]:
    """A database of the test's own with two phantoms, named by the settings."""
    with new_database(server, template=_phantom_url.database) as url:
        use(monkeypatch, url)
        monkeypatch.setenv("CCF_SOURCE", "phantom")
        yield url
        database.forget()


def use(monkeypatch: pytest.MonkeyPatch, url: sa.URL) -> None:
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
    database.forget()


def ask(url: sa.URL, question: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(connect.libpq_url(url), autocommit=True) as connection:
        cursor = connection.execute(question, values or None)
        return cursor.fetchall() if cursor.description else []


def make(url: sa.URL) -> object:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        return roles.make(connection)


def refused(url: sa.URL) -> str:
    before = rights(url)
    with pytest.raises(CcfError) as refusal:
        make(url)
    assert rights(url) == before, "nothing was changed"
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def rights(url: sa.URL) -> object:
    return ask(
        url,
        "SELECT oid::regclass::text, relacl::text FROM pg_class WHERE relnamespace = 'ccf'::regnamespace "
        "UNION ALL SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname = 'ccf' "
        "UNION ALL SELECT oid::regprocedure::text, proacl::text FROM pg_proc "
        "WHERE pronamespace = 'ccf'::regnamespace "
        "UNION ALL SELECT defaclrole::regrole::text, defaclacl::text FROM pg_default_acl "
        "UNION ALL SELECT rolname, rolconnlimit::text FROM pg_roles ORDER BY 1, 2",
    )


# ---- what they can


def test_both_read_every_table_partition_and_view(person: sa.URL) -> None:
    names = [name for (name,) in ask(person, RELATIONS, ["r", "p", "v"])]
    assert {"ccf.voxel_run_904", "ccf.region_info", "ccf.recording_site"} <= set(names)
    for name in names:
        ask(person, f"SELECT * FROM {name} LIMIT 1")


def test_both_call_every_function(person: sa.URL) -> None:
    there = ask(
        person,
        "SELECT replace(oid::regprocedure::text, 'ccf.', '') FROM pg_proc "
        "WHERE pronamespace = 'ccf'::regnamespace AND prorettype <> 'trigger'::regtype",
    )
    assert {name for (name,) in there} == {*CALLS, *THE_OWNERS}
    for call in CALLS.values():
        assert ask(person, f"SELECT * FROM {call} LIMIT 1"), call


def test_both_ask_with_the_program_itself(
    person: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, person)
    assert Atlas("phantom_100um").locate([INSIDE]).status.tolist() == ["assigned"]
    engine = database.create_engine()
    assert [holding.missing for holding in holdings.holdings(engine)] == [[], []]
    assert "inserted" in {source.source for source in sources.sources(engine, tmp_path)}


def test_a_writer_inserts_sites_and_the_sensor_registers_them(
    shared: sa.URL, writer: sa.URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask(
        writer,
        SITES
        + "VALUES ('mouse 7', 0, 6600, 4000, 6700, 'ccf', 'root'), ('mouse 7', 1, 0, 0, 0, 'ccf', NULL)",
    )
    again = SITES + "VALUES ('mouse 7', 0, 1, 2, 3, 'ccf', NULL) ON CONFLICT DO NOTHING RETURNING 1"
    assert ask(writer, again) == []
    use(monkeypatch, shared)
    with new_records() as instance:
        RecordingsLab(tmp_path, database.create_engine(), instance).serve(unregistered_sites)
    found = ask(
        writer,
        "SELECT site_id, atlas, status FROM ccf.recording_site_region WHERE recording_id = 'mouse 7' "
        "ORDER BY atlas, site_id",
    )
    assert found == [
        (0, "phantom_100um", "assigned"), (1, "phantom_100um", "outside_brain"),
        (0, "phantom_50um", "assigned"), (1, "phantom_50um", "outside_brain"),
    ]  # fmt: skip


def test_the_frame_of_a_writers_site_must_be_there(writer: sa.URL) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        ask(writer, SITES + "VALUES ('mouse 8', 0, 1, 2, 3, 'nowhere', NULL)")


# ---- and no more


def forbidden(url: sa.URL) -> Iterator[str]:
    """Statements that neither role may execute; the writer's one insert is not among them."""
    for (table,) in ask(url, RELATIONS, ["r", "p"]):
        name = str(table)
        if name != "ccf.recording_site":
            yield f"INSERT INTO {name} DEFAULT VALUES"
        column = ask(
            url, "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1", name
        )[0][0]
        yield f"UPDATE {name} SET {column} = {column}"
        yield f"SELECT FROM {name} FOR SHARE"
        yield f"DELETE FROM {name}"
        yield f"TRUNCATE {name} CASCADE"
        yield f"COPY {name} TO PROGRAM 'true'"
        yield f"LOCK TABLE {name} IN EXCLUSIVE MODE"
        yield f"DROP TABLE {name} CASCADE"
        yield f"ALTER TABLE {name} ADD COLUMN mine int"
        yield f"ALTER TABLE {name} DISABLE TRIGGER ALL"
        yield f"CREATE INDEX ON {name} ({column})"
        yield f"COMMENT ON TABLE {name} IS 'mine'"
        does = "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        yield f"CREATE TRIGGER mine BEFORE INSERT ON {name} {does}"
        yield f"CREATE POLICY mine ON {name}"
    for (view,) in ask(url, RELATIONS, ["v"]):
        yield f"DROP VIEW {view} CASCADE"
        yield f"CREATE OR REPLACE VIEW {view} AS SELECT 1"
    for signature in CALLS:
        yield f"DROP FUNCTION ccf.{signature} CASCADE"
        yield f"ALTER FUNCTION ccf.{signature} SECURITY DEFINER"
    yield "SELECT ccf.recount_sites()"
    yield "CREATE OR REPLACE FUNCTION ccf.usable(coordinate float8) RETURNS float8 RETURN 1"
    yield "CREATE FUNCTION ccf.mine() RETURNS int RETURN 1"
    for place in ("ccf", "ccf_dagster", "public"):
        yield f"CREATE TABLE {place}.mine ()"
        yield f"DROP SCHEMA {place} CASCADE"
    yield "SELECT FROM ccf_dagster.runs"
    yield "INSERT INTO ccf_dagster.runs VALUES (1)"
    yield "CREATE SCHEMA mine"
    yield "CREATE ROLE mine"
    yield f"ALTER ROLE {roles.READER} SUPERUSER"
    yield f"GRANT {roles.WRITER} TO current_user"
    yield f"SET ROLE {server_owner(url)}"
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {server_owner(url)} GRANT ALL ON TABLES TO PUBLIC"
    yield "SELECT pg_read_file('postgresql.conf')"
    yield "SELECT pg_ls_dir('.')"


def server_owner(url: sa.URL) -> object:
    return ask(
        url, "SELECT quote_ident(relowner::regrole::text) FROM pg_class WHERE oid = 'ccf.atlas'::regclass"
    )[0][0]


def may(url: sa.URL, statements: Iterator[str]) -> list[str]:
    """The statements that are not refused for want of a right; none has an effect."""
    allowed = []
    with psycopg.connect(connect.libpq_url(url)) as connection:
        for statement in statements:
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                pass
            except psycopg.Error as error:
                allowed.append(f"{statement}: {error}")
            else:
                allowed.append(statement)
            connection.rollback()
    return allowed


def test_neither_can_do_anything_else(person: sa.URL) -> None:
    statements = list(forbidden(person))
    assert len(statements) > 300
    assert may(person, iter(statements)) == []


def test_a_reader_inserts_no_site_and_a_writer_changes_none(reader: sa.URL, writer: sa.URL) -> None:
    insert = SITES + "VALUES ('mouse 9', 0, 1, 2, 3, 'ccf', NULL)"
    update = "UPDATE ccf.recording_site SET ap = 0"
    assert may(reader, iter([insert, update])) == []
    upsert = f"{insert} ON CONFLICT (recording_id, site_id) DO UPDATE SET ap = 0"
    assert may(writer, iter([update, upsert, "DELETE FROM ccf.recording_site"])) == []


def test_neither_passes_its_rights_on(person: sa.URL) -> None:
    before = rights(person)
    ask(person, "GRANT ALL ON ALL TABLES IN SCHEMA ccf TO PUBLIC")  # a warning, to the server
    assert rights(person) == before


def test_neither_loads_and_both_are_told_so(person: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, person)
    with pytest.raises(CcfError, match=r"may ask and not load: .* Load as the owner of the tables"):
        database.dagster_url()


def test_a_reader_is_told_so_too_before_anybody_has_loaded(
    server: sa.URL, copy: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(copy)
    with login(server, roles.READER) as name:
        use(monkeypatch, copy.set(username=name))
        with pytest.raises(CcfError, match="may ask and not load"):
            database.dagster_url()


# ---- loads and upgrades that come later


def test_a_reloaded_atlas_is_read_under_its_own_name_too(
    server: sa.URL, copy: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(copy)
    partition = "SELECT 'ccf.voxel_run_904'::regclass::oid"
    before = ask(copy, partition)
    with new_records() as instance:
        defs.resolve_job_def("load_atlas").execute_in_process(
            instance=instance, partition_key="phantom_100um"
        )
    assert ask(copy, partition) != before
    for role in roles.ROLES:
        with login(server, role) as name:
            person = copy.set(username=name)
            for table in ("voxel_run", "voxel_run_904", "brain_surface_904"):
                assert ask(person, f"SELECT count(*) > 0 FROM ccf.{table}") == [(True,)]
            assert may(person, (s for s in forbidden(person) if "_904" in s)) == []


def test_what_an_upgrade_adds_is_read_and_what_was_granted_besides_stays(
    server: sa.URL, copy: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(copy)
    ask(copy, "CREATE TABLE ccf.of_the_lab AS SELECT 1 AS a; GRANT UPDATE ON ccf.of_the_lab TO ccf_writer")
    ask(
        copy,
        "DROP TABLE ccf.region_volume CASCADE; DROP FUNCTION ccf.usable CASCADE; "
        "ALTER DEFAULT PRIVILEGES IN SCHEMA ccf REVOKE ALL ON TABLES FROM ccf_reader, ccf_writer; "
        "COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 3'",
    )
    use(monkeypatch, copy)
    database.database_url()
    with login(server, roles.WRITER) as name:
        person = copy.set(username=name)
        for relation in ("region_volume", "region_info"):
            ask(person, f"SELECT * FROM ccf.{relation}")
        assert ask(person, "SELECT * FROM ccf.to_ccf('ccf', 1, 2, 3)") == [(1, 2, 3)]
        ask(person, "UPDATE ccf.of_the_lab SET a = 2")


def test_an_upgrade_of_a_database_that_never_asked_for_them_makes_and_grants_nothing(
    server: sa.URL, copy: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(copy, "COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 3'")
    before = rights(copy)
    use(monkeypatch, copy)
    database.database_url()
    assert rights(copy) == before


# ---- making them


def test_making_them_again_changes_nothing(copy: sa.URL) -> None:
    make(copy)
    before = rights(copy)
    assert make(copy) == {roles.READER: False, roles.WRITER: False}
    assert rights(copy) == before


def test_rights_that_a_role_had_before_are_taken_back(server: sa.URL, copy: sa.URL) -> None:
    make(copy)
    before = rights(copy)
    ask(
        copy,
        "GRANT ALL ON ALL TABLES IN SCHEMA ccf TO ccf_reader; "
        "GRANT UPDATE (ap) ON ccf.recording_site TO ccf_writer; "
        "GRANT CREATE ON SCHEMA ccf TO ccf_writer; GRANT DELETE ON ccf.atlas TO ccf_writer WITH GRANT OPTION",
    )
    make(copy)
    assert rights(copy) == before


@pytest.mark.parametrize(
    ("powers", "undo", "said"),
    [
        (
            "ALTER ROLE ccf_writer SUPERUSER CREATEDB",
            "ALTER ROLE ccf_writer NOSUPERUSER NOCREATEDB",
            "execute: ALTER ROLE ccf_writer NOSUPERUSER NOCREATEDB;",
        ),
        (
            "GRANT pg_write_all_data TO ccf_reader",
            "REVOKE pg_write_all_data FROM ccf_reader",
            "ccf_reader may also DELETE in ccf.atlas",
        ),
        (
            "GRANT TRUNCATE ON ccf.voxel TO PUBLIC",
            "REVOKE TRUNCATE ON ccf.voxel FROM PUBLIC",
            "ccf_reader may also TRUNCATE in ccf.voxel",
        ),
        (
            "GRANT CREATE ON SCHEMA ccf TO PUBLIC",
            "REVOKE CREATE ON SCHEMA ccf FROM PUBLIC",
            "ccf_reader may also CREATE in schema ccf",
        ),
    ],
)
def test_a_role_that_may_more_than_can_be_taken_from_it_here_is_refused(
    copy: sa.URL, powers: str, undo: str, said: str
) -> None:
    make(copy)
    ask(copy, powers)
    sentence = refused(copy)
    ask(copy, undo)
    assert said in sentence
    make(copy)


def test_an_owner_who_may_make_no_roles_is_given_the_sql_for_the_administrator(
    server: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Those of the usual names are in use in another database, and cannot be dropped.
    names = [f"{role}_{uuid.uuid4().hex[:8]}" for role in roles.ROLES]
    monkeypatch.setattr(roles, "READER", names[0])
    monkeypatch.setattr(roles, "WRITER", names[1])
    monkeypatch.setattr(roles, "ROLES", names)
    with login(server) as owner, new_database(server) as url:
        ask(url, f"CREATE SCHEMA ccf AUTHORIZATION {owner}")
        own = url.set(username=owner)
        use(monkeypatch, own)
        database.database_url()
        sentence = refused(own)
        for_the_administrator = f"CREATE ROLE {names[0]}; CREATE ROLE {names[1]};"
        assert f"Let an administrator of the server execute: {for_the_administrator}" in sentence
        ask(url, for_the_administrator)
        assert make(own) == dict.fromkeys(names, False)
        with login(server, names[0]) as name:
            assert ask(url.set(username=name), "SELECT count(*) FROM ccf.atlas") == [(0,)]
        ask(url, f"DROP OWNED BY {names[0]}, {names[1]}; DROP ROLE {names[0]}, {names[1]}")


def test_who_does_not_own_the_tables_is_told_who_does(reader: sa.URL) -> None:
    assert f"run this as {server_owner(reader)}, or as an administrator" in refused(reader)


def test_tables_of_somebody_elses_in_the_schema_are_left_alone(
    server: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with login(server) as owner, login(server) as colleague, new_database(server) as url:
        make_roles_only(url)
        ask(url, f"CREATE SCHEMA ccf AUTHORIZATION {owner}")
        ask(url, f"GRANT CREATE, USAGE ON SCHEMA ccf TO {colleague}")
        ask(url.set(username=colleague), "CREATE TABLE ccf.theirs ()")
        use(monkeypatch, url.set(username=owner))
        database.database_url()
        make(url.set(username=owner))
        with login(server, roles.READER) as name:
            assert may(url.set(username=name), iter(["SELECT FROM ccf.theirs"])) == []


def make_roles_only(url: sa.URL) -> None:
    for role in roles.ROLES:
        if not ask(url, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            ask(url, f"CREATE ROLE {role}")


@pytest.mark.parametrize("owner", ["ccf", 'Mary "M" O\'Neil; 100% µ\\'])
def test_an_owner_may_be_called_anything(server: sa.URL, monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
    """Also as the schema, which is then the first that names are looked for in."""
    with login(server, name=owner), new_database(server) as url:
        make_roles_only(url)
        quoted = '"' + owner.replace('"', '""') + '"'
        ask(url, f"GRANT CREATE ON DATABASE {url.database} TO {quoted}")
        own = url.set(username=owner)
        use(monkeypatch, own)
        database.database_url()
        make(own)
        ask(
            own,
            "DROP TABLE ccf.region_volume CASCADE; "
            "ALTER TABLE ccf.recording_file DROP COLUMN looked_at_with; "
            "COMMENT ON SCHEMA ccf IS 'Allen Mouse Brain CCF; installed by ccf_assets, version 3'",
        )
        use(monkeypatch, own)
        assert loaded.loaded_atlases(database.create_engine()) == []
        with login(server, roles.READER) as name:
            person = url.set(username=name)
            ask(person, "SELECT looked_at_with FROM ccf.recording_file; SELECT * FROM ccf.region_info")
            ask(own, "CREATE TABLE ccf.later ()")
            ask(person, "SELECT FROM ccf.later")


def test_the_command_says_what_it_made_and_how_to_go_on(copy: sa.URL) -> None:
    ended = ccf("roles", CCF_POSTGRES_URL=connect.libpq_url(copy))
    assert ended.returncode == 0, ended.stderr
    assert [line.partition(":")[0] for line in ended.stdout.splitlines()] == [roles.READER, roles.WRITER]
    assert "GRANT ccf_reader TO jane" in ended.stderr
