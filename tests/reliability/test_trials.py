"""The long trials of `nox -s soak` run, and tell what ends badly; a part of each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import hostile
import servers

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("script", "part", "counted"),
    [
        ("damage", "manifest: a list", "1 kinds, 20 trials: "),
        ("hostile", "lock shown", "1 kinds, 144 trials: "),
        ("checkpoints", "model_index.json: a list", "1 kinds, 1 trials: error 1"),
    ],
)
def test_a_part_of_the_trials_ends_in_good_order(tmp_path, script, part, counted):
    state = tmp_path / "state.jsonl"
    command = [sys.executable, str(HERE / f"{script}.py"), "--part", part, "--state", str(state)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1][: len(counted)]) == (0, counted), done.stdout + done.stderr
    (line,) = state.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["trial"] == part


def test_a_state_is_gone_on_with_and_a_bad_ending_in_it_is_told(tmp_path):
    """Nothing is tried again that is in the state: the ending that it says is the one that is counted."""
    state = tmp_path / "state.jsonl"
    trial = "model_index.json: a list"
    state.write_text(json.dumps({"trial": trial, "endings": {"draw": "CRASH KeyError: 1"}}) + "\n", encoding="utf-8")
    command = [sys.executable, str(HERE / "checkpoints.py"), "--part", trial, "--state", str(state)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    said = f"{trial}: draw: CRASH KeyError: 1\n1 kinds, 1 trials: CRASH 1\n"
    assert (done.returncode, done.stdout) == (1, said)


def test_an_answer_is_hostile_where_its_place_says_and_good_elsewhere(tmp_path):
    """The models are listed, an image is drawn; HTML in its place is a failed image, and HTTP 401 the run's end."""
    place = "drawn by sglang"
    with servers.hurried(patience=60), servers.running(place) as proxy:
        room = hostile.Room(tmp_path)
        found = servers.try_place(place, proxy, room, ["an image", "HTML", "status 401"])
        assert found == {"HTML": "done", "status 401": "error", "an image": "done"}
        (row,) = (tmp_path / "place" / "out" / "run" / "generations.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(row)["error"] is None
