"""Reading files of recording sites, and the folder they are in. No database.

Not here: whether a table of sites is believable (recordings.findings).
"""
