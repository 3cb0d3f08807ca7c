"""What the atlas is: its space, catalogue, files, ontology, frames and grids. numpy, polars and Arrow only.

Not here: anything that asks a database (packages db and atlas), and where files come from (sources).
"""
