"""What is in shards is read back by the library whose format it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore

from ccf_assets.view.shards import SHARD_FILE, shard


def _store(folder: Path, spec: dict[str, object]) -> Any:
    base = {"driver": "file", "path": f"{folder}/"}
    opened: Any = tensorstore.KvStore.open(
        {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": spec}
    )
    return opened.result()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(1, dtype=np.uint64),
        np.arange(5_000, dtype=np.uint64),
        np.unique(np.random.default_rng(3).integers(1, 2**32, 3_000, dtype=np.uint64)),
    ],
    ids=["one", "following one another", "wide apart"],
)
def test_every_entry_is_read_back_and_no_other(
    tmp_path: Path, numbers: np.ndarray[Any, np.dtype[np.uint64]], packed: bool
) -> None:
    entries = [b"x" * (int(number) % 90) for number in numbers]
    spec, content = shard(numbers, entries, packed=packed)
    (tmp_path / SHARD_FILE).write_bytes(content)
    store = _store(tmp_path, spec)
    for at in {0, len(numbers) // 2, len(numbers) - 1}:
        assert store.read(int(numbers[at]).to_bytes(8, "big")).result().value == entries[at]
    assert sorted(int.from_bytes(key, "big") for key in store.list().result()) == numbers.tolist()
    for absent in (int(numbers.max()) + 1, 2**50):
        assert store.read(absent.to_bytes(8, "big")).result().state == "missing"


def test_an_index_may_be_empty(tmp_path: Path) -> None:
    spec, content = shard(np.empty(0, np.uint64), [], packed=True)
    (tmp_path / SHARD_FILE).write_bytes(content)
    assert _store(tmp_path, spec).list().result() == []
