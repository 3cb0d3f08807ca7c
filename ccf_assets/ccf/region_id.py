"""How a region is named by its number: the id of a structure in the ontology, as text."""

from __future__ import annotations

_MOST_DIGITS = 10


def is_id(text: str) -> bool:
    """Whether a text can be the id of a region; Python refuses to read a number of 5,000 digits."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
