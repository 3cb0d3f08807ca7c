"""The one exception a user is meant to read: a sentence that says what, where and what to do."""


class CcfError(Exception):
    """Something the user can put right; its text is a whole sentence and is shown without a traceback."""


class SourceUnreachableError(CcfError):
    """The download source did not answer and nothing usable is cached."""
