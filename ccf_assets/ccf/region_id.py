"""How a region is named by its number: the id of a structure in the ontology.

Ids are whole numbers of 32 bits without sign. In tables they are ``integer``, which has a sign: ids up to
2,147,483,647, all those of the Allen Institute among them, stand there as they are, and larger ones, such as
those that the Blue Brain's tools make by hashing, as the negative number with the same 32 bits. Beside it
brain_region.source_id has the id as the source has it. With wider columns
the runs of an atlas would be 15 % larger (168 instead of 146 MB at 25 µm), and an upgrade would rewrite every
table (6 s for these) and fail where a lab has views on them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_MOST_DIGITS = 10

LARGEST_ID = 2**32 - 1
"""Volumes are of 32 bits without a sign, and the Blue Brain's hashed ids use all of them."""

_SIGN = 2**31

Ids: TypeAlias = npt.NDArray[np.uint32]
"""Ids of regions as the source has them."""


def is_id(text: str) -> bool:
    """Whether a text can be the id of a region; Python refuses to read a number of 5,000 digits."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def table_number(region_id: int) -> int:
    """The number in tables of an id of the source: itself, or the negative number with the same 32 bits."""
    return region_id - 2 * _SIGN if region_id >= _SIGN else region_id


def source_id(number: int) -> int:
    """The id of the source for a number in tables: the inverse of `table_number`."""
    return number + 2 * _SIGN if number < 0 else number


def table_numbers(region_id: Ids) -> npt.NDArray[np.int32]:
    """`table_number` of many ids, the same memory seen as int32."""
    return region_id.view(np.int32)


def source_ids(numbers: npt.NDArray[np.int32]) -> Ids:
    """`source_id` of many numbers, the same memory seen as uint32."""
    return numbers.view(np.uint32)
