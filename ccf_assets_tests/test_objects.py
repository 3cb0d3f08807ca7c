"""Folders in an object store: which addresses are taken, what is read, and the sentence for each trouble."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from ccf_assets import objects
from ccf_assets.errors import CcfError, PassingError
from ccf_assets.objects import Address, Objects, ReplacedError, address_of, copies, is_address
from ccf_assets_tests.support.object_store import LAB, SECRET, ObjectStore


@pytest.fixture
def store(store: ObjectStore) -> ObjectStore:
    """With two objects below `LAB`."""
    store.put("rec/a.csv", "0123456789")
    store.put("rec/deep/b.csv", "b")
    store.forget()
    return store


def trouble(address: Address = LAB) -> str:
    """The sentence with which listing fails."""
    with pytest.raises(CcfError) as refusal:
        Objects(address).entries()
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None or isinstance(refusal.value.__context__, ImportError)
    assert SECRET not in str(refusal.value)
    assert "AKIA" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ("s3://lab", "s3://lab"),
        ("S3://lab/rec/", "s3://lab/rec"),
        ("gs://my-lab.org/a b/c", "gs://my-lab.org/a b/c"),
        ("az://container//rec", "az://container/rec"),
    ],
)
def test_an_address_is_taken_without_slashes_that_say_nothing(named: str, url: str) -> None:
    assert is_address(named)
    assert str(address_of(named, "CCF_RECORDINGS")) == url


@pytest.mark.parametrize(
    "named",
    [
        "s3://AKIA:s3cret@lab/rec",
        "s3://AKIA:s3/cret@lab/rec",
        "s3://s3cret@lab/rec",
        "az://container/rec?sig=s3cret",
        "s3://lab/rec#s3cret",
        "s3://",
        "s3:///s3cret",
    ],
)
def test_an_address_with_a_secret_is_refused_without_quoting_it(named: str) -> None:
    with pytest.raises(CcfError, match=r"^CCF_SOURCE is not a usable address") as refusal:
        address_of(named, "CCF_SOURCE")
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize("named", ["/data/s3", "https://lab/rec", "s3", "file:///x", "phantom", ""])
def test_other_sources_are_no_address(named: str) -> None:
    assert not is_address(named)


def test_objects_are_listed_with_size_and_version_and_read_in_parts(
    store: ObjectStore, tmp_path: Path
) -> None:
    lab = Objects(LAB)
    found = lab.entries()
    assert {path: entry.size for path, entry in found.items()} == {"a.csv": 10, "deep/b.csv": 1}
    assert lab.read("a.csv", found["a.csv"].version, 2, 5) == b"234"
    lab.bring("a.csv", found["a.csv"], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    assert lab.entry("a.csv") == found["a.csv"]


def test_what_stands_for_a_folder_is_no_file(store: ObjectStore) -> None:
    store.put("marked/", b"")
    store.put("marked/sub/", b"")
    store.put("marked/sub/empty.csv", b"")
    assert list(Objects(Address("s3://lab/marked")).entries()) == ["sub/empty.csv"]


def test_an_object_that_was_replaced_or_deleted_since_is_not_read(store: ObjectStore, tmp_path: Path) -> None:
    store.put("rec2/x", b"first")
    lab = Objects(Address("s3://lab/rec2"))
    entry = lab.entries()["x"]
    store.put("rec2/x", b"other")
    with pytest.raises(ReplacedError, match=r"^s3://lab/rec2/x was replaced while it was read\.$"):
        lab.bring("x", entry, tmp_path / "x")
    store.delete("rec2/x")
    with pytest.raises(FileNotFoundError):
        lab.bring("x", entry, tmp_path / "x")


def test_a_file_that_is_opened_is_read_where_it_is_asked_for(store: ObjectStore) -> None:
    content = bytes(range(256)) * 16_384  # 4 MB
    store.put("big/x", content)
    lab = Objects(Address("s3://lab/big"))
    store.forget()
    with lab.opened("x", lab.entries()["x"], lambda _: None) as file:
        assert file.seek(3_000_000) == 3_000_000
        assert file.read(10) == content[3_000_000:3_000_010]
        assert file.seek(-5, 2) == len(content) - 5
        assert file.read() == content[-5:]
        assert file.read() == b""
        file.seek(0)
        assert file.read(300_000) == content[:300_000]
    assert store.sent < len(content) / 2


def test_no_bucket_no_keys_no_access_and_a_wrong_region_are_told_apart(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trouble(Address("s3://nowhere/rec")) == (
        "There is no bucket nowhere for s3://nowhere/rec; correct the address, or the address of the store "
        "in AWS_ENDPOINT_URL."
    )
    store.refuse = "403 Forbidden", "AccessDenied"
    assert "refuses access to s3://lab/rec (AccessDenied); check AWS_ACCESS_KEY_ID" in trouble()
    store.refuse = "401 Unauthorized", "InvalidToken"
    assert "refuses access to s3://lab/rec (InvalidToken)" in trouble()
    store.refuse = "400 Bad Request", "AuthorizationHeaderMalformed"
    assert "HTTP status 400 (AuthorizationHeaderMalformed); check the address" in trouble()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", store.url)
    store.refuse = "403 Forbidden", ""
    assert trouble().startswith("There are no keys for s3://lab/rec: set AWS_ACCESS_KEY_ID and AWS_SECRET")
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert "for one with http set AWS_ALLOW_HTTP=true" in trouble()


def test_a_public_bucket_needs_no_keys(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert "a.csv" in Objects(LAB).entries()


def test_a_store_that_refuses_connections_or_says_nothing_cannot_be_reached(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "ANSWER_S", 0.3)
    monkeypatch.setattr(objects, "RETRY_S", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "s3://lab/rec cannot be reached: no connection could be made." in trouble()
        silent.listen()
        assert "s3://lab/rec cannot be reached: it did not answer in time." in trouble()
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    monkeypatch.setattr(objects, "ANSWER_S", 20)
    store.refuse = "503 Slow Down", "SlowDown"
    assert "it answered with HTTP status 503 (SlowDown)." in trouble()
    with pytest.raises(PassingError):
        Objects(LAB).is_empty()


def test_an_object_whose_name_is_no_path_is_named_as_the_trouble(store: ObjectStore) -> None:
    store.put("odd/a//b.csv", b"1")
    assert trouble(Address("s3://lab/odd")).startswith("s3://lab/odd holds an object whose name is no path")


def test_az_needs_the_name_of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert "set AZURE_STORAGE_ACCOUNT_NAME" in trouble(Address("az://container/rec"))


def test_without_the_library_the_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    assert trouble() == (
        "s3://lab/rec is in an object store, which needs a further library: "
        "pip install 'ccf_assets[objects]'."
    )


def test_copies_are_brought_once_for_each_version(store: ObjectStore, tmp_path: Path) -> None:
    store.put("maps/b.toml", "[b]")
    store.put("maps/a.CSV", "a")
    store.put("maps/deep/c.csv", "not asked for")
    store.put("maps/read.me", "nor this")

    def brought() -> list[tuple[str, str]]:
        found = copies(Address("s3://lab/maps"), tmp_path, (".csv", ".toml"))
        return [(path.name, path.read_text()) for path in found]

    assert brought() == [("a.CSV", "a"), ("b.toml", "[b]")]
    store.forget()
    assert brought() == [("a.CSV", "a"), ("b.toml", "[b]")]
    assert store.read == []
    store.put("maps/b.toml", "[c]")
    assert brought() == [("a.CSV", "a"), ("b.toml", "[c]")]
    assert store.read == ["maps/b.toml"]
