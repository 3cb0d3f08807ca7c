"""Recording sites: their files, what is wrong with them, whose they are, and which work is waiting.

Not here: the region of each site (db.site_regions), and the assets and sensors (defs).
"""
