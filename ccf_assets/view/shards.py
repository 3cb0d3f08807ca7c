"""Many small files as one: Neuroglancer's sharded form of an index from numbers to bytes.

A reader fetches 16 bytes that say where a list of entries is, the list, and the entry. The form is described
at https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

SHARD_FILE = "0.shard"
"""Name of the only file of an index: of a million entries it has some 50 MB, of which readers fetch parts."""

_IN_A_LIST = 1024
"""Entries of a list that a reader fetches, if the numbers are close together: 10 KB."""

_GZIP_LEVEL = 6


def shard(
    numbers: npt.NDArray[np.uint64], entries: Sequence[bytes], *, packed: bool
) -> tuple[dict[str, object], bytes]:
    """An index as one file.

    Args:
        numbers: shape (N,), ascending, each once.
        entries: the bytes of each number.
        packed: whether each entry is compressed by gzip. Entries of a few bytes become longer by it.

    Returns:
        How it is sharded, as the info of the index says it; and the content of the file `SHARD_FILE`.
    """
    lists = max(1, -(-len(numbers) // _IN_A_LIST))
    list_bits = (lists - 1).bit_length()
    skipped = max(0, int(numbers.max(initial=0)).bit_length() - list_bits)
    data = [gzip.compress(entry, _GZIP_LEVEL, mtime=0) for entry in entries] if packed else entries
    sizes = np.fromiter(map(len, data), np.uint64, len(data))
    ends = np.cumsum(sizes, dtype=np.uint64)
    of_list = numbers >> np.uint64(skipped)
    borders = np.searchsorted(of_list, np.arange(2**list_bits + 1, dtype=np.uint64))
    places: list[int] = []
    packed_lists: list[bytes] = []
    at = int(sizes.sum())
    for first, end in pairwise(borders.tolist()):
        if first == end:
            places += [0, 0]
            continue
        # Differences: of the numbers, of the gaps between entries (none), and the sizes as they are.
        rows = np.zeros((3, end - first), "<u8")
        rows[0] = np.diff(numbers[first:end], prepend=np.uint64(0))
        rows[1, 0] = ends[first] - sizes[first]
        rows[2] = sizes[first:end]
        packed_lists.append(gzip.compress(rows.tobytes(), _GZIP_LEVEL, mtime=0))
        places += [at, at := at + len(packed_lists[-1])]
    spec: dict[str, Any] = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "hash": "identity",
        "preshift_bits": skipped,
        "minishard_bits": list_bits,
        "shard_bits": 0,
        "minishard_index_encoding": "gzip",
        "data_encoding": "gzip" if packed else "raw",
    }
    return spec, b"".join([np.array(places, "<u8").tobytes(), *data, *packed_lists])
