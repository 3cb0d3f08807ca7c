"""The formats of files of sites: one module a format, and one list of them (`recordings.formats.known`).

Each recognises its files by name, and reads them into a `recordings.files.table.Table`. What the columns of a
table mean, and what a lab's settings overrule, is in recordings.files. No database.
"""
