"""Safetensors headers: what they declare, and files that are none or not whole."""

from __future__ import annotations

import json
import os
import struct

import pytest

from evalsuite.models.weights_file import TensorInfo, WeightsFileError, read_weights_file


def write(path, header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


def test_the_header_names_tensors_and_metadata(tmp_path):
    header = {
        "__metadata__": {"ss_steps": "12"},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "BF16", "shape": [], "data_offsets": [8, 10]},
    }
    file = read_weights_file(write(tmp_path / "a.safetensors", header, b"0" * 10))
    assert file.tensors == {"a": TensorInfo("F32", (2,)), "b": TensorInfo("BF16", ())}
    assert file.metadata == {"ss_steps": "12"}
    assert file.shapes == {"a": (2,), "b": ()}
    assert read_weights_file(write(tmp_path / "empty.safetensors", {})).tensors == {}


ONE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut short or no safetensors file"),
        (b"\x01", "cut short or no safetensors file"),
        (struct.pack("<Q", 2**40) + b"{}", "cut short or no safetensors file"),
        (struct.pack("<Q", 4) + b"nope", "header cannot be read"),
        (struct.pack("<Q", 2) + b"[]", "header cannot be read"),
        (struct.pack("<Q", 13) + b'{"a":{"b":1}}', "header cannot be read"),
        (struct.pack("<Q", 9) + b'{"a":123}', "header cannot be read"),
        (struct.pack("<Q", len(ONE)) + ONE + b"012", "cut short?"),
        (struct.pack("<Q", len(ONE)) + ONE + b"01234", "cut short?"),
        (struct.pack("<Q", 40000) + b"[" * 40000, "header cannot be read"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git-lfs pointer"),
    ],
)
def test_what_is_no_safetensors_is_refused(tmp_path, content, said):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsFileError, match=r"x\.safetensors: .*" + said.replace("?", r"\?")):
        read_weights_file(path)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}', "takes 8 bytes, not 4"),
        ('{"dtype":"F99","shape":[1],"data_offsets":[0,4]}', "F99"),
        (
            '{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}',
            "twice",
        ),
        (
            '{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}',
            "b begins at byte 2, and the tensor before it ends at 4",
        ),
        ('{"dtype":"F16","shape":[1],"data_offsets":[2,4]}', "a begins at byte 2, and the tensor before it ends at 0"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, entry, said):
    with pytest.raises(WeightsFileError, match=said):
        read_weights_file(write(tmp_path / "x.safetensors", f'{{"a":{entry}}}'.encode(), b"0123"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.safetensors")
    with pytest.raises(WeightsFileError, match="no regular file"):
        read_weights_file(tmp_path / "x.safetensors")
