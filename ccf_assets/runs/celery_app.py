"""What a Celery worker does: it executes the runs that the launcher hands to the broker.

Celery finds `app` here (``celery -A ccf_assets.runs.celery_app worker``), started by ``ccf-assets worker``.
A worker's processes are long-lived: each executes one run after the other.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import dagster as dg
from celery import Task
from celery.signals import worker_shutting_down
from celery.worker import state
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster._utils.interrupts import capture_interrupts
from dagster_celery.config import DEFAULT_CONFIG
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task

from ccf_assets import __version__, settings
from ccf_assets.runs.liveness import alive
from ccf_assets.runs.run_engine import QUEUE, TRANSPORT, VERSION_TAG, verified

app = make_app(
    {
        "broker": settings.engine(),
        "config_source": {
            **DEFAULT_CONFIG,
            "broker_transport_options": TRANSPORT,
            **verified(),
            "task_default_queue": QUEUE,
            # A run that waits is for the first worker that is free, not for the one that reserved it.
            "worker_disable_prefetch": True,
            # A broker that is away for a night is waited for.
            "broker_connection_retry_on_startup": True,
            "broker_connection_max_retries": None,
            # What runs say is printed as it is under `ccf-assets up`.
            "worker_hijack_root_logger": False,
            "worker_redirect_stdouts": False,
            # On a busy host a process may take longer to start than Celery's 4 s.
            "worker_proc_alive_timeout": 60,
            # KiB. What a load of 10 µm needed is given back when it is done: the process is replaced.
            "worker_max_memory_per_child": 1_000_000,
        },
    }
)


class _Run(Task):
    """Executes a run, of which the database knows from its first moment to its last."""

    def __call__(self, **arguments: Any) -> object:  # noqa: ANN401 - dagster-celery's own
        """Execute the run that the arguments name."""
        packed = arguments["execute_job_args_packed"]
        run_id = unpack_value(packed, as_type=ExecuteRunArgs).run_id
        # The lock comes before the run: one whose worker is killed while it begins is noticed as any other.
        with _interruptible(), dg.DagsterInstance.get() as instance, alive(instance, run_id):
            run = instance.get_run_by_id(run_id)
            wanted = run.tags.get(VERSION_TAG, __version__) if run else __version__
            if run is not None and wanted != __version__:
                sentence = (
                    f"The worker on {socket.gethostname()} executes ccf_assets {__version__}, and the UI is "
                    f"{wanted}. Install that version there, and start the worker again."
                )
                return instance.report_run_failed(run, sentence)
            return super().__call__(**arguments)


execute_job = create_execute_job_task(app, base=_Run)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM interrupt a run whenever it comes: while the run is being set up, at its first step.

    Dagster leaves SIGTERM as SIGINT is, which a worker's processes ignore; it is put back.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        with capture_interrupts():
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _interrupt_runs(**_told: object) -> None:
    """When the worker is to end, interrupt its runs, which Dagster records as failed and starts elsewhere.

    Celery would wait for them, until a supervisor loses its patience and kills the worker.
    """
    for request in tuple(state.active_requests):
        if request.worker_pid:
            with suppress(ProcessLookupError):
                os.kill(request.worker_pid, signal.SIGTERM)
