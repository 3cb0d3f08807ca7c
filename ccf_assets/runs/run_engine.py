"""What executes the runs of the UI where CCF_ENGINE names a broker: Celery workers, on any host.

No Dagster and no Celery here, so that checks come before them. How a run gets to a worker is in
celery_launcher, what a worker does with it in celery_app.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ccf_assets import settings
from ccf_assets.errors import CcfError, first_line

if TYPE_CHECKING:
    import redis

QUEUE = "dagster"
"""The queue of runs that name no other; dagster-celery's default."""

QUEUE_TAG, MESSAGE_TAG = "dagster-celery/queue", "dagster-celery/task_id"
"""dagster-celery's tags of a run: the queue it is for, and the message that the broker has of it."""

VERSION_TAG = ".dagster/ccf_assets/version"
"""Tag of a run: the version of the UI that launched it; not shown in the UI."""

PATIENCE_S = 5
"""A broker that does not answer within so long cannot be reached."""

TRANSPORT = {
    # The first four are dagster-celery's own.
    "max_retries": 3,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
    "socket_connect_timeout": PATIENCE_S,
    "socket_keepalive": True,
}
"""How the launcher and the workers are connected to the broker, as Celery's broker_transport_options."""


def verified() -> dict[str, object]:
    """Celery's setting by which the certificate of a broker with TLS is verified; empty where there is none.

    Without it the password would go to whoever answers. An address may say otherwise (``ssl_cert_reqs=…``).
    """
    broker = settings.engine() or ""
    tls = broker.startswith("rediss://") and "ssl_cert_reqs" not in broker
    return {"broker_use_ssl": {"ssl_cert_reqs": "required"}} if tls else {}


START_TIMEOUT_S = 3600
"""A launched run may wait so long for a worker; Dagster's own 180 s would fail runs that wait their turn."""


def with_workers(dagster_yaml: bytes) -> bytes:
    """Our dagster.yaml for runs that workers execute; the address of the broker is not in it.

    Args:
        dagster_yaml: the file for runs on this machine.
    """
    import yaml

    told = yaml.safe_load(dagster_yaml)
    slots = settings.slots()
    told["run_launcher"] = {
        "module": "ccf_assets.runs.celery_launcher",
        "class": "WorkerLauncher",
        "config": {
            "broker": {"env": "CCF_ENGINE"},
            # The lock of a run in the database tells whether its process is alive: nobody asks for results.
            "backend": None,
            "default_queue": QUEUE,
            "config_source": {"broker_transport_options": TRANSPORT, **verified()},
        },
    }
    # Output of a worker's process stays on its host; what assets say is in the database.
    told["compute_logs"] = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    told["concurrency"]["runs"]["max_concurrent_runs"] = slots
    told["concurrency"]["pools"]["default_limit"] = slots
    told["run_monitoring"]["start_timeout_seconds"] = START_TIMEOUT_S
    header = "# Written by ccf-assets, because CCF_ENGINE names a broker: runs are executed by its workers.\n"
    return (header + yaml.safe_dump(told, sort_keys=False)).encode()


def require_workers(who: str) -> str:
    """Where the broker is, in words, once everything that runs on several hosts need is there.

    Args:
        who: needs it, for the sentences.

    Raises:
        CcfError: a setting or the extra is missing, or the broker cannot be reached.
    """
    broker = settings.engine()
    if broker is None:
        raise CcfError(
            f"{who} needs CCF_ENGINE: set it to the address of the broker, redis://host:6379/0, as on the "
            "host of the UI."
        )
    if broker == settings.KUBERNETES:
        raise CcfError(
            f"CCF_ENGINE is {broker}: on Kubernetes Dagster's own chart starts the UI, and a pod for each "
            f"run; see deploy/kubernetes. {who} is for Celery workers, or for a machine without CCF_ENGINE."
        )
    if settings.postgres_url() is None:
        raise CcfError(
            f"{who} with CCF_ENGINE needs a PostgreSQL server that all hosts reach: set CCF_POSTGRES_URL. "
            "The embedded server is for one machine."
        )
    if not all(importlib.util.find_spec(name) for name in ("dagster_celery", "redis")):
        raise CcfError(f"{who} with CCF_ENGINE needs more: install it with pip install 'ccf_assets[celery]'.")
    place = broker_place(broker)
    _reach(broker, place)
    return place


def broker_place(broker: str) -> str:
    """Where a broker is, in words that may be shown.

    Raises:
        CcfError: the address is none, or its password is written so that a part of it could be shown.
    """
    try:
        parts = urlsplit(broker)
        place = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        place = ""
    # A / or # in a password ends the host, and what is behind it is taken for a path.
    if not place or "@" in parts.path + parts.query + parts.fragment:
        raise CcfError(
            "CCF_ENGINE is not the address of a broker; write it as redis://:password@host:6379/0, with "
            "@, / and # in a password as %40, %2F and %23."
        )
    return place


def is_forgotten(tags: Mapping[str, str]) -> bool:
    """Whether the broker has no longer the message of a run that was handed to it.

    A worker took it, or the broker was started anew without what it had. Where the broker cannot be asked, it
    is not taken for forgotten.

    Args:
        tags: of the run.
    """
    broker = settings.engine()
    if broker in (None, settings.KUBERNETES):
        return False
    import redis

    message, queue = tags[MESSAGE_TAG].encode(), tags.get(QUEUE_TAG, QUEUE)
    with suppress(redis.RedisError), _client(broker) as client:
        waiting = [text for key in _lists(queue) for text in client.lrange(key, 0, -1)]
        return not any(message in text for text in [*waiting, *client.hvals("unacked")])
    return False


def _lists(queue: str) -> list[str]:
    """Where a broker keeps the messages of a queue: Kombu has a list for each of four priorities."""
    return [queue, *(f"{queue}\x06\x16{priority}" for priority in (3, 6, 9))]


def _client(broker: str) -> redis.Redis:
    import redis

    return redis.Redis.from_url(broker, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S)


def _reach(broker: str, place: str) -> None:
    import redis

    try:
        with _client(broker) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        reason = first_line(error).rstrip(".")
        raise CcfError(
            f"The broker at {place} cannot be used: {reason}. Check CCF_ENGINE and the Redis server."
        ) from None
