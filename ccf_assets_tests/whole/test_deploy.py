"""What deploy/ says is what Dagster, its chart, compose and this program take."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import jsonschema
import kubernetes.client
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from typer.main import get_command

from ccf_assets import settings
from ccf_assets.cli import main
from ccf_assets.definitions import defs
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.files import read_toml
from ccf_assets.pg import connect
from ccf_assets_tests.support import helm_chart
from ccf_assets_tests.support.kubernetes_api import Cluster
from ccf_assets_tests.support.program import ROOT

DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")
PROJECT = read_toml(ROOT / "pyproject.toml")["project"]


def our_dagster_yaml() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "dagster.yaml").read_text("utf-8"))
    return loaded


# ---- the image


def test_the_image_has_the_extras_that_hosts_need_and_no_others() -> None:
    (named,) = re.findall(r"'/src\[(.*)\]'", CONTAINERFILE)
    assert set(named.split(",")) == {"celery", "k8s", "objects"} <= set(PROJECT["optional-dependencies"])


def test_the_image_is_built_of_files_that_are_there_and_are_sent_to_the_builder() -> None:
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", CONTAINERFILE, re.M) for name in line.split()]
    sent = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert copied
    assert [name for name in copied if not (ROOT / name).exists() or f"!{name}" not in sent] == []
    assert sorted(line[1:] for line in sent if line.startswith("!")) == sorted(copied)


def test_the_versions_of_the_image_are_all_that_the_lock_of_the_tests_names(tmp_path: Path) -> None:
    (line,) = re.findall(r"^RUN (sed .*) /src/test.txt > ", CONTAINERFILE, re.M)
    lock = ROOT / "locks/test.txt"
    versions = subprocess.run(["sh", "-c", f"{line} {lock}"], check=True, capture_output=True, text=True)
    locked = re.findall(r"^(\S+==\S+)", lock.read_text("utf-8"), re.M)
    assert [version.split()[0] for version in versions.stdout.splitlines()] == locked
    assert not re.search(r"--hash|\\$", versions.stdout, re.M)


def test_the_image_runs_as_a_user_that_is_not_root_and_takes_whole_commands() -> None:
    lines = CONTAINERFILE.splitlines()
    user = next(line.split()[1] for line in lines if line.startswith("USER "))
    assert user.isdigit(), "Kubernetes takes the name of a user for root"
    assert int(user) > 0
    assert lines.index(f"USER {user}") > max(n for n, line in enumerate(lines) if line.startswith("RUN "))
    # The chart's and the launcher's arguments are whole commands: behind an ENTRYPOINT they would be its own.
    assert not [line for line in lines if line.startswith("ENTRYPOINT")]


def test_compose_and_kubernetes_name_the_image_of_this_version() -> None:
    values = helm_chart.values()
    ours = [values["dagsterWebserver"], values["dagsterDaemon"], helm_chart.code_server(values)]
    named = [each["image"]["tag"] for each in ours]
    named += [
        each["image"].rpartition(":")[2] for each in values["dagsterDaemon"]["extraPrependedInitContainers"]
    ]
    named += [compose()["services"][name]["image"].rpartition(":")[2] for name in ("ui", "worker")]
    assert set(named) == {PROJECT["version"]}


# ---- compose


def compose() -> dict[str, Any]:
    """The file as it is, its anchors put together."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return loaded


def parsed_by_podman_compose(
    folder: Path, *, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """The answer of ``podman-compose config``, which needs no podman but asks one for its version."""
    podman = folder / "podman"
    podman.write_text("#!/bin/sh\necho podman version 5.0.0\n", "utf-8")
    podman.chmod(podman.stat().st_mode | stat.S_IXUSR)
    return subprocess.run(
        [sys.executable, "-m", "podman_compose", "-f", str(DEPLOY / "compose.yaml"), "config"],
        check=False,
        env={"PATH": f"{folder}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
    )


SAMPLE = dict(
    line.split("=", 1)
    for line in (DEPLOY / "env.sample").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)


def test_a_compose_parser_takes_the_file_with_the_sample_filled_in(tmp_path: Path) -> None:
    filled_in = {**SAMPLE, "POSTGRES_PASSWORD": "a b@c", "RECORDINGS_FOLDER": "/lab/recordings"}
    done = parsed_by_podman_compose(tmp_path, environment=filled_in)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert set(services) == {"postgres", "redis", "ui", "worker"}
    assert services["ui"]["environment"]["PGPASSWORD"] == "a b@c"  # in no address, where @ would end it
    assert "/lab/recordings:/recordings:ro" in services["worker"]["volumes"]


@pytest.mark.parametrize("missing", ["POSTGRES_PASSWORD", "RECORDINGS_FOLDER"])
def test_compose_starts_nothing_without_a_password_and_a_folder(missing: str, tmp_path: Path) -> None:
    filled_in = {**SAMPLE, "POSTGRES_PASSWORD": "secret", "RECORDINGS_FOLDER": "/lab", missing: ""}
    done = parsed_by_podman_compose(tmp_path, environment=filled_in)
    assert done.returncode
    assert "see deploy/env.sample" in done.stderr


def test_the_sample_has_every_variable_that_compose_asks_for_and_no_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+)", text)) == set(SAMPLE) - {"COMPOSE_PROJECT_NAME"}
    assert SAMPLE["POSTGRES_PASSWORD"] == ""
    assert "deploy/.env" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_the_sample_has_as_many_slots_as_its_workers() -> None:
    (slots,) = re.findall(r"worker, --slots, \"(\d+)\"", (DEPLOY / "compose.yaml").read_text("utf-8"))
    assert int(SAMPLE["CCF_SLOTS"]) == int(SAMPLE["WORKERS"]) * int(slots)


def test_compose_publishes_the_ui_alone_and_for_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in compose()["services"].items() if "ports" in service}
    assert ports == {"ui": ["127.0.0.1:${UI_PORT:-3000}:3000"]}
    (listens,) = re.findall(r"^EXPOSE (\d+)$", CONTAINERFILE, re.M)
    assert ports["ui"][0].endswith(f":{listens}")


def test_what_a_service_waits_for_says_when_it_is_ready() -> None:
    services = compose()["services"]
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert services[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("service", ["ui", "worker"])
def test_a_service_of_ours_runs_a_command_that_there_is(service: str) -> None:
    program, name, *arguments = compose()["services"][service]["command"]
    assert program in PROJECT["scripts"]
    command = get_command(main.app).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments)  # parses them, and runs nothing


# ---- both


def variables() -> set[str]:
    """Every variable of ours that deploy/ sets."""
    texts = [path.read_text("utf-8") for path in DEPLOY.rglob("*") if path.is_file() and path.name != ".env"]
    return {name for text in texts for name in re.findall(r"\bCCF_[A-Z_]+", text)}


def test_every_setting_in_deploy_is_one_of_the_program() -> None:
    known = re.findall(r"CCF_[A-Z_]+", Path(settings.__file__).read_text("utf-8"))
    assert len(variables()) >= 5
    assert sorted(variables() - set(known)) == []


def test_no_secret_is_written_in_deploy() -> None:
    for path in (DEPLOY / "compose.yaml", DEPLOY / "kubernetes/values.yaml", DEPLOY / "Containerfile"):
        text = path.read_text("utf-8")
        assert re.findall(r"://[^/\s]*:[^/\s]*@", text) == [], "an address with a password"
        assert not re.findall(r"password: +(?!\"\"|\$\{)\S+", text, re.I), path


# ---- the chart


def test_kubernetes_has_the_limits_of_one_machine(tmp_path: Path) -> None:
    # Most of all the one by which files are read one after the other.
    made, ours = helm_chart.dagster_yaml(helm_chart.values()), our_dagster_yaml()
    limits = set(ours) - {"storage", "run_monitoring", "run_coordinator"}
    assert {name: made[name] for name in limits} == {name: ours[name] for name in limits}
    assert made["run_monitoring"].items() >= ours["run_monitoring"].items()


def test_the_containers_that_make_the_tables_first_are_ones_of_kubernetes() -> None:
    values = helm_chart.values()
    for part in ("dagsterWebserver", "dagsterDaemon"):
        (container,) = values[part]["extraPrependedInitContainers"]
        assert container["env"] == helm_chart.code_server(values)["env"]
        said = k8s_snake_case_dict(kubernetes.client.V1Container, container)
        made = k8s_model_from_dict(kubernetes.client.V1Container, said)
        assert made.image == helm_chart.image(values[part]["image"])


def test_secrets_of_kubernetes_are_named_and_are_all_one() -> None:
    values = helm_chart.values()
    named = {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for variable in helm_chart.code_server(values)["env"]
        if "value" not in variable
    }
    assert named == {values["global"]["postgresqlSecretName"]}
    assert values["generatePostgresqlPasswordSecret"] is values["generateCeleryConfigSecret"] is False


@pytest.fixture(scope="session")
def chart() -> Path:
    """Dagster's chart, unpacked (``helm pull dagster/dagster --untar``)."""
    folder = os.environ.get("CCF_TEST_CHART")
    if not folder:
        pytest.skip("CCF_TEST_CHART names no folder with Dagster's chart")
    return Path(folder)


def test_the_chart_takes_the_values_and_has_every_key_of_them(chart: Path) -> None:
    defaults, ours = yaml.safe_load((chart / "values.yaml").read_text("utf-8")), helm_chart.values()
    schema = without_distant_parts(json.loads((chart / "values.schema.json").read_text("utf-8")))
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(merged(defaults, ours))] == []
    assert unknown_keys(ours, schema, schema) == []


def without_distant_parts(schema: Any) -> Any:
    """A schema without what it takes from Kubernetes's own, by an address."""
    if isinstance(schema, dict):
        distant = str(schema.get("$ref", "")).startswith("https:")
        return {} if distant else {name: without_distant_parts(part) for name, part in schema.items()}
    return [without_distant_parts(part) for part in schema] if isinstance(schema, list) else schema


def merged(defaults: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Values put together as Helm does it: lists are replaced."""
    both = {
        name: merged(defaults[name], value)
        for name, value in ours.items()
        if isinstance(value, dict) and isinstance(defaults.get(name), dict)
    }
    return {**defaults, **ours, **both}


def unknown_keys(value: Any, schema: dict[str, Any], whole: dict[str, Any], place: str = "") -> list[str]:
    """The keys that no alternative of a schema has a word for; where it has none for any, all are good."""
    options = alternatives(schema, whole)
    if isinstance(value, list):
        items = next((option["items"] for option in options if "items" in option), {})
        return [key for each in value for key in unknown_keys(each, items, whole, f"{place}[]")]
    if not isinstance(value, dict):
        return []
    properties = {name: part for option in options for name, part in option.get("properties", {}).items()}
    if not properties:
        return []
    return [
        key
        for name, part in value.items()
        for key in (
            unknown_keys(part, properties[name], whole, f"{place}.{name}")
            if name in properties
            else [f"{place}.{name}"]
        )
    ]


def alternatives(schema: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema, or what it refers to, and each of its alternatives."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return alternatives(whole.get("definitions", whole.get("$defs", {}))[name], whole)
    nested = [part for word in ("anyOf", "allOf", "oneOf") for part in schema.get(word, [])]
    return [schema, *(option for part in nested for option in alternatives(part, whole))]


# ---- runs on Kubernetes


def test_a_run_on_kubernetes_loads_an_atlas_into_the_one_database(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = sa.make_url(os.environ["CCF_POSTGRES_URL"])
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    home, node = tmp_path / "home", tmp_path / "node"
    for folder in (home, node):
        folder.mkdir()
    password = str(address.password or "none")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", password)  # as the chart sets it for the daemon
    with Cluster(
        node,
        secrets={"ccf-postgres": {"postgresql-password": password}},
        config_maps={"ccf-dagster-user-deployments-ccf-assets-user-env": {"PYTHONPATH": str(ROOT)}},
        claims={"ccf-recordings": recordings},
    ) as cluster:
        values = on_this_machine(helm_chart.values(), address, cluster)
        (home / "dagster.yaml").write_text(yaml.safe_dump(helm_chart.dagster_yaml(values)), "utf-8")
        (container,) = values["dagsterDaemon"]["extraPrependedInitContainers"]
        exec(container["command"][-1], {})
        with dg.DagsterInstance.from_config(str(home)) as instance:
            add_atlases(instance, {"phantom_100um": False})
            code = ReconstructableRepository.for_module(
                *("ccf_assets.definitions", "defs"),
                container_image=helm_chart.image(helm_chart.code_server(values)["image"]),
                container_context=helm_chart.container_context(values),
            )
            run = instance.create_run_for_job(
                defs.resolve_job_def("load_atlas"),
                job_code_origin=code.get_reconstructable_job("load_atlas").get_python_origin(),
                tags={"dagster/partition": "phantom_100um"},
            )
            instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
            (job,) = cluster.jobs
            assert cluster.pods[job].wait(timeout=600) == 0
            ended = instance.get_run_by_id(run.run_id)
            assert ended is not None
            assert ended.status == dg.DagsterRunStatus.SUCCESS, (node / job / "log").read_text("utf-8")
            assert instance.run_launcher.check_run_worker_health(ended).status == WorkerStatus.SUCCESS
    assert list((node / job / "ccf/downloads").rglob("*.nrrd")), "it has a CCF_HOME of its own"
    assert password == "none" or password not in (node / job / "log").read_text("utf-8")
    with database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ccf.voxel_run").scalar()
        tables = sa.inspect(connection)
        assert tables.get_table_names("public") == []
        assert "runs" in tables.get_table_names("ccf_dagster")
    records_of_one_machine = tmp_path / "one_machine"
    records_of_one_machine.mkdir()
    (records_of_one_machine / "dagster.yaml").write_text(yaml.safe_dump(our_dagster_yaml()), "utf-8")
    with dg.DagsterInstance.from_config(str(records_of_one_machine)) as instance:
        assert instance.get_run_by_id(run.run_id) == ended


def on_this_machine(values: dict[str, Any], address: sa.URL, cluster: Cluster) -> dict[str, Any]:
    """The values for this server and this API; the source is the phantom."""
    values["postgresql"] |= {
        "postgresqlHost": address.host or "localhost",
        "postgresqlUsername": address.username,
        "postgresqlDatabase": address.database,
        "postgresqlParams": {**values["postgresql"]["postgresqlParams"], **address.query},
        "service": {"port": address.port or 5432},
    }
    values["runLauncher"]["config"]["k8sRunLauncher"] |= {
        "loadInclusterConfig": False,
        "kubeconfigFile": str(cluster.kubeconfig()),
    }
    env = helm_chart.code_server(values)["env"]
    without_password = connect.libpq_url(address.set(password=None))
    next(each for each in env if each["name"] == "CCF_POSTGRES_URL")["value"] = without_password
    env.append({"name": "CCF_SOURCE", "value": "phantom"})
    return values
