"""What fuzzing and hostile files found, each as it was found."""

from __future__ import annotations

import json
import os
import struct
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

import evalsuite
from evalsuite.cli.main import told
from evalsuite.digests import cached_sha256
from evalsuite.errors import EvalsuiteError, ExitCode
from evalsuite.files import MAX_DEPTH, FileError, parse_json
from evalsuite.models.accounting import AccountingError
from evalsuite.models.adapters.contents import AdapterError
from evalsuite.models.adapters.strength import read_strength
from evalsuite.models.configurations import check_config, check_scheduler
from evalsuite.models.folder import inside
from evalsuite.models.servers.answers import _number
from evalsuite.models.servers.workflow import load_workflow
from evalsuite.models.weights_file import TensorInfo, WeightsFile, WeightsFileError, read_weights_file
from evalsuite.ocr.weights import OcrUnavailableError, user_folder
from evalsuite.records import Generation, NotTextError, digest
from evalsuite.runs.rows import DamagedRunError, RowFile
from evalsuite.view.votes import Ballot


@pytest.mark.parametrize(
    "header",
    [b'{"__metadata__": "x"}', b'{"__metadata__": [1]}',
     b'{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}}',
     b'{"a": {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]}}',
     b'{"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 1e400]}}',
     b'{"a": {"dtype": "F32", "shape": [' + b"9" * 4000 + b"], " + b'"data_offsets": [0, 4]}}',
     b'{"a": {"dtype": "F32", "shape": [' + b"0, " * 5000 + b'0], "data_offsets": [0, 0]}}'],
    ids=range(7),
)  # fmt: skip
def test_a_header_of_weights_that_lies_is_one_error(tmp_path, header):
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(WeightsFileError, match=r"header cannot be read"):
        read_weights_file(path)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("alpha_pattern", [1], "alpha_pattern in adapter_config.json is [1], no object"), ("r", 0, "has rank 0"),
     ("r", -4, "has rank -4"), ("lora_alpha", 10**400, "not a number up to 1,000,000,000"),
     ("lora_alpha", float("inf"), "not a number up to 1,000,000,000")],
)  # fmt: skip
def test_a_strength_that_cannot_be_is_one_error(tmp_path, field, value, said):
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, field: value}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings).replace("Infinity", "1e400"))
    file = WeightsFile(tmp_path / "adapter_model.safetensors", {"a": TensorInfo("F32", (1,))}, {}, 8)
    (tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(AdapterError) as caught:
        read_strength(file, {"LoRA"}, decomposed=False).of("a", None, None)
    assert said in str(caught.value)


def test_a_workflow_whose_batch_size_is_linked_is_one_error(tmp_path):
    path = tmp_path / "w.json"
    nodes = {"1": {"class_type": "KSampler", "inputs": {"seed": 1, "batch_size": ["2", 0]}}}
    path.write_text(json.dumps(nodes))
    with pytest.raises(EvalsuiteError, match=r"w\.json: "):
        load_workflow(str(path))


def test_json_may_not_nest_deeper_than_python_can_follow():
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x")
    for depth in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(FileError, match=r"^x: not JSON: nested too deeply$"):
            parse_json("[" * depth + "]" * depth, "x")


def test_a_field_of_a_row_that_nests_without_end_is_damage(tmp_path):
    path = tmp_path / "generations.jsonl"
    path.write_bytes(b'{"key": "a", "findings": ' + b'[{"a":' * 50_000 + b"\n")
    with pytest.raises(DamagedRunError, match=r"generations\.jsonl:1: not a Generation row"):
        RowFile(path, Generation).read()


def test_votes_that_nest_without_end_are_one_error(tmp_path):
    path = tmp_path / "votes.jsonl"
    path.write_bytes(b'{"x":' * 50_000 + b"\n")
    with pytest.raises(EvalsuiteError, match=r"votes\.jsonl:1: not a vote"):
        Ballot(path)


@pytest.mark.parametrize("value", [1e308, 10**400, -1, float("inf"), True, "1", 2e9])
def test_what_a_server_tells_without_bound_is_not_kept(value):
    assert _number(value) is None


@pytest.mark.parametrize(
    "config",
    [{"num_layers": 10**9}, {"layers_per_block": 10**9}, {"depth": 11}, {"text_config": {"num_hidden_layers": 11}},
     {"layers_per_block": [1, 10**9]}, {"block_out_channels": [1] * 10_001}],
)  # fmt: skip
def test_a_configuration_with_more_layers_than_tensors_is_refused(config):
    with pytest.raises(AccountingError, match=r"^here: config\.json (says|has)"):
        check_config("here", config, 10)


def test_names_that_only_look_like_counts_of_layers_are_let_be():
    check_config("here", {"max_window_layers": 28, "text_encoder_out_layers": [9, 18, 27], "feature_layer": 30}, 10)
    check_scheduler("here", {"num_train_timesteps": 1000})
    with pytest.raises(AccountingError, match="num_train_timesteps asks for more than 10,000 steps"):
        check_scheduler("here", {"num_train_timesteps": 10**9})


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: &a [x]\nb: [*a, *a]\n", "has YAML aliases"), ("[" * 5000, "does not name its model"),
     ("Global: {model_name: 2001-02-30}", "does not name its model"),
     ("Global: {model_name: [x]}", "is \"['x']\", no name"),
     ("- a\n", "does not name its model"), ("\x00", "does not name its model")],
)  # fmt: skip
def test_an_engine_s_folder_whose_configuration_is_hostile_is_one_error(tmp_path, text, said):
    (tmp_path / "inference.onnx").touch()
    (tmp_path / "inference.yml").write_text(text)
    with pytest.raises(OcrUnavailableError) as caught:
        user_folder(tmp_path)
    assert said in str(caught.value)


def test_a_name_that_is_no_utf_8_is_told_and_not_stored():
    with pytest.raises(NotTextError, match=r"^'a\\udcff': is no UTF-8, in which runs are stored; rename"):
        digest(["a\udcff"])


def test_what_the_system_refuses_of_a_name_is_the_user_s_to_mend(tmp_path):
    with pytest.raises(OSError, match="File name too long") as caught:
        evalsuite.open_run(tmp_path / ("n" * 300))
    message, code = told(caught.value)
    assert (message.endswith(": File name too long"), code) == (True, ExitCode.USAGE)
    with pytest.raises(KeyError) as another:
        {}["x"]
    assert told(another.value)[1] == ExitCode.CRASH


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_would_be_hashed_without_end_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "tokenizer.json"
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](path)
    with pytest.raises(EvalsuiteError, match=r"tokenizer\.json|/dev/zero"):
        cached_sha256(path)


def test_a_link_to_itself_is_one_error(tmp_path):
    loop = tmp_path / "config.json"
    loop.symlink_to(loop)
    with pytest.raises(
        EvalsuiteError, match=r"config\.json: cannot be read to hash it: Too many levels of symbolic links"
    ):
        cached_sha256(loop)
    with pytest.raises(EvalsuiteError, match="is no file in"):
        inside(tmp_path, "config.json", "table.csv:2")
    with pytest.raises(RuntimeError) if sys.version_info < (3, 13) else nullcontext():
        loop.resolve()
    assert told(RuntimeError(f"Symlink loop from '{loop}'"))[1] is ExitCode.USAGE


def test_a_message_that_repeats_what_a_file_holds_ends_somewhere():
    """msgspec's error has the whole value in it, were it 100,000 characters of a manifest."""
    message, code = told(EvalsuiteError(f"manifest.json: Invalid enum value '{'a' * 100_000}'"))
    assert (message[:34], message[-9:], code) == ("manifest.json: Invalid enum value ", "(+96,036)", ExitCode.USAGE)
    with pytest.raises(ValueError, match="two") as caught:
        raise ValueError("two\nlines " + "a" * 100_000)
    message, code = told(caught.value)
    assert ("\n" in message, len(message) < 5000, code) == (False, True, ExitCode.CRASH)


@pytest.mark.parametrize("field", ["width", "height", "seed"])
def test_whole_numbers_of_a_row_have_64_bits(tmp_path, field):
    """Parquet has no others; a width of 10^30 ended its export in a traceback."""
    row = {"key": "k", "model": "m", "prompt": "p", "seed": 0, "drawn_at": "2026-01-01T00:00:00+00:00"}
    path = tmp_path / "generations.jsonl"
    path.write_text(json.dumps({**row, field: 2**63 - 1}) + "\n", encoding="utf-8")
    assert len(RowFile(path, Generation).read()) == 1
    path.write_text(json.dumps({**row, field: 10**30}) + "\n", encoding="utf-8")
    with pytest.raises(DamagedRunError, match=r"generations\.jsonl:1: "):
        RowFile(path, Generation).read()
