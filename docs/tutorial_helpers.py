"""What the cells of tutorial.ipynb share: a database of their own, commands, queries, and comparisons.

Importing it sets up the database's folder, which `cleanup` removes.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from IPython import get_ipython
from IPython.display import Image

from ccf_assets import Atlas, create_engine
from ccf_assets.db import database

home = Path(tempfile.mkdtemp(prefix="ccf_tutorial_"))
os.environ["CCF_HOME"] = str(home)
atexit.register(shutil.rmtree, home, ignore_errors=True)  # of a notebook that was not run to its end
for setting in (
    "CCF_POSTGRES_URL",
    "CCF_RECORDINGS",
    "CCF_FRAMES",
    "CCF_ATLASES",
    "CCF_REGION_SETS",
    "DAGSTER_HOME",
):
    os.environ.pop(setting, None)

source = os.environ.get("CCF_SOURCE") or "allen"
phantom = source == "phantom"
coarse, fine = (f"{'phantom' if phantom else 'ccf_2017'}_{um}um" for um in (100, 50))


def ccf(*arguments: object) -> None:
    """Run the command ``ccf-assets`` and show its result; how a load progresses only if it fails."""
    program = Path(sys.executable).with_name("ccf-assets")
    plain = {
        name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "CLICOLOR_FORCE"}
    }
    words = [str(argument) for argument in arguments]
    done = subprocess.run([program, *words], check=False, env=plain, capture_output=True, text=True)
    said = f"$ ccf-assets {' '.join(words)}\n{done.stderr if done.returncode else ''}{done.stdout}"
    # Without the names of this machine's folders.
    said = said.replace(os.path.relpath(program), "ccf-assets").replace(str(home), "$CCF_HOME")
    print((said.replace(source, "$CCF_SOURCE") if Path(source).is_dir() else said).strip())
    done.check_returncode()


def coronal(ap_um: int, *options: str) -> Image:
    """The picture of a coronal plane of the finer atlas, made by the command ``ccf-assets slice``."""
    file = home / f"picture_{len(list(home.glob('*.png')))}.png"
    ccf("slice", "coronal", ap_um, "--atlas", fine, *options, "-o", file)
    return Image(file)


def sql(query: str, **values: object) -> pl.DataFrame:
    """The answer to a query as a table.

    Args:
        query: in which ``:ccf_id`` is the number of the coarser atlas, and ``:name`` the value given as name.
        values: values by name.
    """
    if ":ccf_id" in query:
        values["ccf_id"] = Atlas(coarse).ccf_id
    return pl.read_database(sa.text(query), create_engine(), execute_options={"parameters": values})


def compare(ours: object, tutorial: object) -> None:
    """Stop where a result is not the tutorial's; on the phantom say that it is not compared."""
    if phantom:
        print("This is the phantom: not compared with the tutorial's", tutorial)
    else:
        assert ours == tutorial, f"ours is {ours}, the tutorial's is {tutorial}"
        print("As in the tutorial:", tutorial)


def cleanup() -> None:
    """Stop the server, if no other program uses it, and remove the database."""
    database.leave()
    shutil.rmtree(home)


def _as_html(table: pl.DataFrame) -> str:
    """A table without quotation marks and types; whole numbers stay whole where some are missing."""
    return table.to_pandas(use_pyarrow_extension_array=True).to_html(index=False, na_rep="")


if (shell := get_ipython()) is not None:
    shell.display_formatter.formatters["text/html"].for_type(pl.DataFrame, _as_html)
pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, fmt_str_lengths=60, tbl_cols=12)
