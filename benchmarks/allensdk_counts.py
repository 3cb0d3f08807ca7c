"""Voxels per structure by AllenSDK, for regions.py: run by a Python that has it, and nothing of ours.

Arguments: the NRRD file and the structure graph. Prints JSON: seconds, peak_mb, and voxels by id. The files
are read before the clock starts.
"""

import csv
import json
import resource
import sys
import time

import nrrd
from allensdk.core.reference_space import ReferenceSpace
from allensdk.core.structure_tree import StructureTree

with open(sys.argv[2], encoding="utf-8", newline="") as file:  # noqa: PTH123
    nodes = [
        {
            "id": int(row["id"]),
            "acronym": row["acronym"],
            "name": row["name"],
            "graph_id": int(row["graph_id"]),
            "graph_order": int(row["graph_order"]),
            "rgb_triplet": [0, 0, 0],
            "structure_id_path": [int(part) for part in row["structure_id_path"].strip("/").split("/")],
            "structure_set_ids": [],
        }
        for row in csv.DictReader(file)
    ]
annotation, _ = nrrd.read(sys.argv[1])
space = ReferenceSpace(StructureTree(nodes), annotation, (1, 1, 1))
started = time.perf_counter()
voxels = space.total_voxel_map
seconds = time.perf_counter() - started
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
found = {int(region): int(count) for region, count in voxels.items()}
print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "voxels": found}))
