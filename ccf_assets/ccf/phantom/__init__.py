"""A small analytic brain on the grid of the CCF, for tests, demos and measurements without the real files.

Not here: when it is used in place of the atlas (sources.source).
"""
