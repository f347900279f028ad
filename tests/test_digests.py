"""Digests of weight files: stable, sensitive, and never taken from a stale cache."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from evalsuite import digests as weights
from evalsuite.digests import cached_sha256, files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.records import digest, digest_of_parts


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x00" * 1000)
    return path


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once, so that hashes are cached."""
    monkeypatch.setattr(weights, "_SETTLED_SECONDS", -1.0)


@pytest.fixture
def reads(monkeypatch):
    """How often a file was read to hash it."""
    count = []
    real = hashlib.file_digest
    monkeypatch.setattr(weights.hashlib, "file_digest", lambda *args: (count.append(1), real(*args))[1])
    return count


def test_the_hash_is_sha256(file):
    assert cached_sha256(file) == hashlib.sha256(b"\x00" * 1000).hexdigest()


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_is_read_once(file, reads):
    assert cached_sha256(file) == cached_sha256(file)
    assert len(reads) == 1


def test_a_file_written_just_now_is_not_cached(file, reads):
    assert cached_sha256(file) == cached_sha256(file)
    assert len(reads) == 2


@pytest.mark.usefixtures("settled")
def test_one_changed_byte_is_seen_though_size_and_time_are_as_before(file):
    before = cached_sha256(file)
    status = file.stat()
    time.sleep(0.02)  # past the grain of the change time
    file.write_bytes(b"\x00" * 999 + b"\x01")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    assert cached_sha256(file) != before


@pytest.mark.usefixtures("settled")
def test_a_damaged_cache_entry_is_hashed_again(file, reads):
    value = cached_sha256(file)
    (slot,) = weights.cache_folder().iterdir()
    slot.write_bytes(b"{")
    assert cached_sha256(file) == value
    assert len(reads) == 2


@pytest.mark.usefixtures("settled")
def test_a_cache_that_cannot_be_written_does_not_stop_hashing(file, monkeypatch, tmp_path):
    (tmp_path / "plain file").write_text("")
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "plain file"))
    assert cached_sha256(file) == hashlib.sha256(b"\x00" * 1000).hexdigest()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EvalsuiteError, match=r"gone\.safetensors: cannot be read"):
        cached_sha256(tmp_path / "gone.safetensors")


def test_the_digest_covers_names_and_contents_in_any_order(tmp_path):
    for name, content in {"a": b"1", "b": b"2", "c": b"1"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (tmp_path / name for name in "abc")
    digest = files_digest({"x": a, "y": b})
    assert digest == files_digest({"y": b, "x": a})
    assert digest == files_digest({"x": c, "y": b})  # another file of the same content
    assert digest != files_digest({"x": b, "y": a})
    assert digest != files_digest({"x": a, "z": b})
    assert digest != files_digest({"x": a})
    # Worked by hand: the SHA-256 of the JSON [[name, sha256 of the content], …].
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"1", b"2"))
    assert digest == hashlib.sha256(f'[["x","{one}"],["y","{two}"]]'.encode()).hexdigest()


def test_a_digest_of_parts_is_that_of_the_whole():
    head, one, other = [{"b": 1, "a": 2}, "model"], [None, {"z": "ß", "y": [1]}], ["reading"]
    assert digest_of_parts(head, iter(one), iter(other)) == digest([*head, one, other])
    assert digest_of_parts(head, iter(()), iter(one)) == digest([*head, [], one])
    assert digest_of_parts(head, iter(other), iter(())) == digest([*head, other, []])
