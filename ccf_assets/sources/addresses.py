"""Where the Allen Institute's files are: the addresses of the ontology and of the archive of volumes.

Not here: the path of each volume below the archive (ccf/atlases.toml).
"""

from __future__ import annotations

ALLEN_ONTOLOGY_URL = (
    "http://api.brain-map.org/api/v2/data/query.csv?criteria=model::Structure,rma::criteria,[ontology_id$eq1],"
    "rma::options[order$eq%27structures.graph_order%27][num_rows$eqall]"
)

ALLEN_ARCHIVE_URL = "http://download.alleninstitute.org/informatics-archive/current-release/mouse_ccf/"

ONTOLOGY_PATH = "ontology/structure_graph.csv"
"""The structure graph's path below the base of a mirror or folder."""
