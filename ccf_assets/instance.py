"""The former name of ccf_assets.runs.storage, for a Dagster home whose dagster.yaml still names it.

`ccf-assets` renews the dagster.yaml in CCF_HOME/dagster by itself. A lab that sets DAGSTER_HOME keeps a file
of its own: it should name ``ccf_assets.runs.storage``. This module goes with version 0.3.
"""

from ccf_assets.runs.storage import CcfDagsterStorage

__all__ = ["CcfDagsterStorage"]
