"""Named coordinate frames: what a published coordinate means, as an affine map to CCF µm.

Not here: the table of frames, and a frame's map in SQL (db.frames).
"""
