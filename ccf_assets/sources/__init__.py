"""Where files come from: the Allen Institute, a mirror, a folder or the phantom; downloads and their cache.

Not here: what is in the files (ccf), and the Dagster resource (defs.resources).
"""
