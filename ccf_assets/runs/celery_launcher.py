"""How the runs of the UI get to Celery workers; dagster.yaml names the class if CCF_ENGINE is a broker.

Not here: what a worker does with a run (celery_app).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.launcher import LaunchRunContext
from dagster_celery.launcher import CeleryRunLauncher
from kombu.exceptions import OperationalError

from ccf_assets import __version__
from ccf_assets.errors import CcfError, first_line
from ccf_assets.runs.run_engine import MESSAGE_TAG, QUEUE_TAG, VERSION_TAG, broker_place


class WorkerLauncher(CeleryRunLauncher):
    """dagster-celery's launcher, with runs that can be ended and a broker's failure in words."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand a run to the broker.

        Raises:
            CcfError: the broker cannot be reached.
        """
        self._instance.add_run_tags(context.dagster_run.run_id, {VERSION_TAG: __version__})
        with self._broker_in_words():
            super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run by the wish of a person: it is recorded as canceled, which is not started again.

        Raises:
            CcfError: the broker cannot be reached; nothing was changed.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or MESSAGE_TAG not in run.tags:  # such as one of the command line
            return False
        with self._broker_in_words():
            with self.celery.connection_for_write() as broker:
                broker.ensure_connection(max_retries=1, timeout=5)
            self._instance.report_run_canceling(run)
            done: bool = super().terminate(run_id)
        return done

    @contextmanager
    def _broker_in_words(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise CcfError(
                f"The broker at {broker_place(self.broker or '')} cannot be reached: "
                f"{first_line(error).rstrip('.')}. Check CCF_ENGINE and the Redis server."
            ) from None

    @property
    def supports_check_run_worker_health(self) -> bool:
        """The lock in the database tells it (liveness); a broker that was started anew has forgotten it."""
        return False

    def get_run_worker_debug_info(
        self, run: dg.DagsterRun, include_container_logs: bool | None = True
    ) -> str | None:
        """Why a run that has waited too long did not begin."""
        queue = run.tags.get(QUEUE_TAG, self.default_queue)
        return f"No worker took it: start one with `ccf-assets worker --queue {queue}`."
