"""The command ccf-assets: what people type, and what it prints.

Not here: anything that a notebook or a sensor needs as well.
"""
