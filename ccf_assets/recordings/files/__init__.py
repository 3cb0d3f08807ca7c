"""A source of recording sites as a table: its settings, its columns, the names of its sites. No database.

Not here: formats of other programs (recordings.formats), which sources a folder has (recordings.scan), and
whether a table of sites is believable (recordings.findings).
"""
