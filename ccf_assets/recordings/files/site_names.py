"""The numbers of sites that have a name: the key of a site is a number, and a name is made into one.

The SQL function ccf.site_number gives the same numbers.
"""

from __future__ import annotations

import hashlib

import polars as pl


def site_number(name: str) -> int:
    """The site_id of a site with this name: always negative, always the same, and another one's by no chance.

    It is -1 less the first 8 bytes (big endian) of the SHA-256 of the name in UTF-8, shifted right by one
    bit. Two of a million names have the same number with a probability of 1 in 18 million.
    """
    return -1 - (int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)


def site_numbers(names: pl.Series) -> pl.Series:
    """`site_number` of many names: Int64, null where the name is null."""
    # One by one, in a list: through the unique names it takes 2.9 s for a million, so 0.9 s.
    numbers = [None if name is None else site_number(name) for name in names.to_list()]
    return pl.Series(names.name, numbers, dtype=pl.Int64)
