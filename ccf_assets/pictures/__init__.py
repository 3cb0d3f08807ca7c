"""Pictures as PNG: planes, tracks and the chart of depths. They are given arrays and names.

Not here: what is drawn, which comes from the package atlas and defs.figures.
"""
