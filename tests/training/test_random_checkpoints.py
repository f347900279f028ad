"""Stand-in checkpoints: small, reproducible, and marked as what they are."""

from __future__ import annotations

import pytest
import torch

from evalsuite.errors import EvalsuiteError
from evalsuite.models import resolve
from training.random_checkpoints import build_random_checkpoint, offline_tokenizer


@pytest.mark.parametrize("name", ["klein", "klein-base", "ernie", "ernie-no-pe"])
def test_they_are_small_and_say_what_they_are(checkpoints, name):
    folder = checkpoints / name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 2_000_000
    assert resolve(str(folder)).spec.role == "stand-in"


def test_the_same_seed_makes_the_same_weights_and_leaves_the_generator_alone(checkpoints, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    digests = [
        resolve(str(build_random_checkpoint(tmp_path / str(i), "flux2-klein", seed=i))).spec.weights_digest
        for i in (0, 1)
    ]
    assert torch.equal(torch.rand(2), expected)
    assert digests[0] == resolve(str(checkpoints / "klein")).spec.weights_digest
    assert digests[0] != digests[1]


def test_a_folder_in_use_is_not_written_into(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(EvalsuiteError, match="is not empty"):
        build_random_checkpoint(tmp_path, "flux2-klein")


@pytest.mark.parametrize("text", ["A sign that reads 'OPEN'", "招牌上写着“营业中”", "😀 e\u0301 \n\t  x"])
def test_the_offline_tokenizer_loses_no_character(text):
    tokenizer = offline_tokenizer()
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert len(ids) <= len(text.encode())
