"""What Dagster's Helm chart makes of the values in deploy/kubernetes, so far as those set something.

Helm is not there to render the chart, so this says again, in Python, what two of its templates say (read in
the chart of 1.12.19): templates/configmap-instance.yaml, and ``k8sContainerContext`` in
charts/dagster-user-deployments/templates/helpers/_helpers.tpl.
"""

from __future__ import annotations

from typing import Any

import yaml

from ccf_assets_tests.support.program import ROOT

RELEASE, NAMESPACE = "ccf", "lab"
"""As in ``helm install ccf dagster/dagster --namespace lab``."""


def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "deploy/kubernetes/values.yaml").read_text("utf-8"))
    return loaded


def code_server(values: dict[str, Any]) -> dict[str, Any]:
    """The one deployment of our code."""
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    found: dict[str, Any] = deployment
    return found


def image(said: dict[str, str]) -> str:
    return f"{said['repository']}:{said['tag']}"


def dagster_yaml(values: dict[str, Any]) -> dict[str, Any]:
    """The ``dagster.yaml`` of the UI, the daemon, the code server and every run."""
    database, daemon, limits = values["postgresql"], values["dagsterDaemon"], values["concurrency"]
    place = {
        "username": database["postgresqlUsername"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "hostname": database["postgresqlHost"],
        "db_name": database["postgresqlDatabase"],
        "port": database["service"]["port"],
        "params": database["postgresqlParams"],
        "scheme": database["postgresqlScheme"],
    }
    parts = {
        "run_storage": ("run_storage", "PostgresRunStorage"),
        "event_log_storage": ("event_log", "PostgresEventLogStorage"),
        "schedule_storage": ("schedule_storage", "PostgresScheduleStorage"),
    }
    storages = {
        name: {"module": f"dagster_postgres.{module}", "class": kind, "config": {"postgres_db": place}}
        for name, (module, kind) in parts.items()
    }
    monitoring, retries, pools = daemon["runMonitoring"], daemon["runRetries"], limits["pools"]
    return {
        **storages,
        "run_launcher": {"module": "dagster_k8s", "class": values["runLauncher"]["type"]}
        | {"config": _run_launcher(values)},
        "run_coordinator": {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}
        | {"config": {"dequeue_use_threads": True, "dequeue_num_workers": 4}},
        "compute_logs": {"module": "dagster.core.storage.noop_compute_log_manager"}
        | {"class": values["computeLogManager"]["type"]},
        "python_logs": {"python_log_level": values["pythonLogs"]["pythonLogLevel"]},
        "run_monitoring": {
            "enabled": monitoring["enabled"],
            "start_timeout_seconds": monitoring["startTimeoutSeconds"],
            "free_slots_after_run_end_seconds": monitoring["freeSlotsAfterRunEndSeconds"],
        },
        "run_retries": {
            "enabled": retries["enabled"],
            "max_retries": retries["maxRetries"],
            "retry_on_asset_or_op_failure": retries["retryOnAssetOrOpFailure"],
        },
        **{
            name: {"use_threads": daemon[name]["useThreads"], "num_workers": daemon[name]["numWorkers"]}
            for name in ("sensors", "schedules")
        },
        "telemetry": values["telemetry"],
        "concurrency": {
            "pools": {"default_limit": pools["defaultLimit"], "granularity": pools["granularity"]},
            "runs": {
                "max_concurrent_runs": limits["runs"]["maxConcurrentRuns"],
                "tag_concurrency_limits": limits["runs"]["tagConcurrencyLimits"],
            },
        },
        **values["additionalInstanceConfig"],
    }


def _run_launcher(values: dict[str, Any]) -> dict[str, Any]:
    said = values["runLauncher"]["config"]["k8sRunLauncher"]
    return {
        "load_incluster_config": said.get("loadInclusterConfig", True),
        **({"kubeconfig_file": said["kubeconfigFile"]} if "kubeconfigFile" in said else {}),
        "job_namespace": NAMESPACE,
        "image_pull_policy": said["imagePullPolicy"],
        "service_account_name": f"{RELEASE}-dagster",
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": f"{RELEASE}-dagster-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "security_context": said["securityContext"],
        "run_k8s_config": {"pod_spec_config": said["runK8sConfig"]["podSpecConfig"]},
    }


def container_context(values: dict[str, Any]) -> dict[str, Any]:
    """What the code server tells Dagster of the pods that its runs need."""
    said = code_server(values)
    return {
        "k8s": {
            "image_pull_policy": said["image"]["pullPolicy"],
            "env_config_maps": [f"{RELEASE}-dagster-user-deployments-{said['name']}-user-env"],
            "volume_mounts": said["volumeMounts"],
            "volumes": said["volumes"],
            "resources": said["resources"],
            "namespace": NAMESPACE,
            "service_account_name": f"{RELEASE}-dagster-user-deployments-user-deployments",
            "env": said["env"],
            "run_k8s_config": {"pod_spec_config": {"automount_service_account_token": True}},
        }
    }
