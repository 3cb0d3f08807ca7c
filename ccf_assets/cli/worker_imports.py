"""Importing it imports what a load needs: in the process from which its workers are forked.

Not here: what is done with it (cli.loading), and the processes themselves (cli.workers).
"""

import gc
import warnings
from contextlib import suppress


def _import_all() -> None:

    from ccf_assets.pictures.drawing import import_matplotlib

    import_matplotlib()
    import PIL.PngImagePlugin  # noqa: F401


# No warnings of Dagster and its dependencies about each other.
warnings.simplefilter("ignore")
# What is imported stays. To look through it for garbage takes a tenth of the time here, and more in workers.
gc.disable()
with suppress(Exception):  # a worker imports again what it needs, and says what is wrong
    _import_all()
gc.freeze()
gc.enable()
