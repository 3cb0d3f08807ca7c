"""Importing it imports what a load needs: in the process from which its workers are forked.

Not here: what is done with it (cli.load_tasks), and the processes themselves (cli.workers).
"""

import gc
import warnings
from contextlib import suppress
from importlib import import_module

AHEAD = (
    "ccf_assets.definitions",
    "ccf_assets.cli.load_tasks",
    "ccf_assets.runs.storage",
    "ccf_assets.runs.liveness",
    "dagster._core.instance.factory",
    "dagster._core.storage.base_storage",
    "dagster._core.storage.root",
    "alembic.command",
    "adbc_driver_postgresql",
    "psycopg2",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "PIL.PngImagePlugin",
)
"""Modules that import what every load uses, also where they are imported late; matplotlib as drawing does."""


def import_all() -> None:
    """Import them.

    Raises:
        ImportError: one of them is not there.
    """
    from ccf_assets.pictures.drawing import import_matplotlib

    import_matplotlib()
    for name in AHEAD:
        import_module(name)


# No warnings of Dagster and its dependencies about each other.
warnings.simplefilter("ignore")
# What is imported stays. To look through it for garbage takes a tenth of the time here, and more in workers.
gc.disable()
with suppress(Exception):  # a worker imports again what it needs, and says what is wrong
    import_all()
gc.freeze()
gc.enable()
