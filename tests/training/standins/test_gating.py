"""The stand-ins are there to be gated: drawn, read, swept and judged for real, the unlearnt apart from the learnt."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from installed import skip_without_paddleocr

torch = pytest.importorskip("torch")
skip_without_paddleocr()

import evalsuite  # noqa: E402
from evalsuite.datafiles import data_dir  # noqa: E402
from evalsuite.gate import load_policy  # noqa: E402
from evalsuite.runs import RunStore  # noqa: E402
from evalsuite.sweep import SweepPlan, run_sweep  # noqa: E402
from training.standins import wear  # noqa: E402
from training.standins.export import FOLDERS, WEIGHTS  # noqa: E402

POLICY = 'format = 1\nname = "broken"\nsamples = 1\n[[gates]]\nslice = "all"\nmargin = 0.10\n'
SETTINGS = {"size": "384x384"}
PROMPTS = 6
"""Six prompts of which none is drawn bound the change from above at −1 + 2 (1 − 0.05^(1/6)) = −0.21."""


class Swept:
    """Two checkpoints, swept: the first as a repair begins (`train --repair 0.4`), the last as it should end."""

    def __init__(self, architecture: str, root: Path) -> None:
        torch.set_num_threads(1)
        self.name = FOLDERS[architecture]
        whole = data_dir() / "standins" / self.name
        self.training, self.out, policy = root / "training", root / "out", root / "policy.toml"
        self.training.mkdir()
        self.begun = self.training / "step-000000.safetensors"
        assert wear.main([str(whole), str(self.begun), "--strength", "0.4", "--seed", "1"]) == 0
        shutil.copy(whole / "transformer" / WEIGHTS, self.training / "step-000600.safetensors")
        policy.write_text(POLICY, encoding="utf-8")
        self._plan = SweepPlan(
            folder=self.training, out=self.out, policy=load_policy(policy), model=self.name, suites=("signage-en",),
            settings=SETTINGS, limit=PROMPTS, ceiling=False, workers=1,
        )  # fmt: skip
        self.first, self.last = run_sweep(self._plan).rows

    def again(self, baseline: Path):
        """Gated anew from the stored rows; nothing is drawn."""
        return run_sweep(replace(self._plan, baseline=baseline)).rows


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The sweep over an architecture's checkpoints, drawn and read once."""
    return cache(lambda architecture: Swept(architecture, tmp_path_factory.mktemp(architecture)))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", sorted(FOLDERS))
def test_what_has_not_learnt_to_write_fails_and_the_stand_in_does_not(architecture, swept):
    sweep = swept(architecture)
    # Better than its baseline, the first; but so few prompts cannot pass anything.
    assert sweep.last.outcome == "INCONCLUSIVE"
    assert sweep.first.character_accuracy.estimate < 0.3
    assert sweep.last.character_accuracy.estimate > 0.95
    # Gated again from the stored rows, now against the last: nothing is drawn.
    first, last = sweep.again(sweep.out / sweep.last.run)
    assert first.outcome == "FAIL"
    assert first.delta < -0.6
    assert last.outcome is None  # it is the baseline


@pytest.mark.slow
def test_the_gate_that_draws_fails_a_worn_checkpoint_early_and_passes_an_equal_one(swept, tmp_path):
    sweep = swept("klein")
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'format = 1\nname = "broken"\nsamples = 1\n[sequential]\nclaim = "this suite"\n[[gates]]\nmargin = 0.4\n',
        encoding="utf-8",
    )
    # The baseline is the sweep's last: the stand-in's own weights.
    gated = {
        which: evalsuite.gate_while_drawing(
            sweep.name, sweep.out / sweep.last.run, policy=policy, transformer=weights, out=tmp_path / which,
            settings=SETTINGS, workers=1, report=False,
        )
        for which, weights in (("worn", sweep.begun), ("equal", None))
    }  # fmt: skip
    assert {which: each.outcome for which, each in gated.items()} == {"worn": "FAIL", "equal": "PASS"}
    assert gated["worn"].verdict.drawn.images < PROMPTS
    assert gated["equal"].verdict.drawn.images < PROMPTS


RECORDED = Path(__file__).parent / "recorded"
POINTS = 'format = 1\nname = "points"\nsamples = 1\n[[gates]]\nslice = "all"\nmargin = {margin}\n'


def lay_out(folder: Path) -> None:
    """Give a recorded run a file for each image, in place of the real ones, which were too large to keep.

    The file's content is the hash of the real image, so that equal images stay equal and others do not; the rows name
    the new bytes. Readings and all else are as recorded.
    """
    store = RunStore.open(folder)
    (folder / "images").mkdir()
    generations = store.generations.read()
    new = {row.sha256: sha256(row.sha256.encode()).hexdigest() for row in generations}
    for row in generations:
        store.image_path(row).write_bytes(row.sha256.encode())
    store.generations.replace(msgspec.structs.replace(row, sha256=new[row.sha256]) for row in generations)
    readings = store.readings(store.manifest.ocr)
    readings.replace([msgspec.structs.replace(row, image_sha256=new[row.image_sha256]) for row in readings.read()])


@pytest.mark.parametrize(
    ("name", "early", "twin"), [("flux2-klein-micro", -0.0930, 0.0030), ("ernie-image-micro", -0.3013, 0.0046)]
)
def test_an_early_checkpoint_of_a_real_training_fails_and_its_twin_passes(handmade, name, early, twin, tmp_path):
    with tarfile.open(RECORDED / f"{name}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    policy = tmp_path / "policy.toml"

    def check(baseline, candidate, margin=0.05):
        policy.write_text(POINTS.format(margin=margin), encoding="utf-8")
        return handmade.check(tmp_path / baseline, tmp_path / candidate, policy=policy)

    unverifiable = check("last", "early")
    assert unverifiable.outcome == "INCOMPLETE"
    assert len(unverifiable.missing) == 120
    assert all(text.endswith(": its image file is missing") for text in unverifiable.missing)
    for each in ("last", "early", "twin"):
        lay_out(tmp_path / each)
    # So few prompts refute three points surely, and can pass five.
    verdicts = {"early": check("last", "early", 0.03), "twin": check("last", "twin")}
    assert {each: verdict.outcome for each, verdict in verdicts.items()} == {"early": "FAIL", "twin": "PASS"}
    assert check("last", "early").outcome in ("FAIL", "INCONCLUSIVE")
    assert verdicts["early"].gates[0].delta == pytest.approx(early, abs=5e-5)
    assert verdicts["twin"].gates[0].delta == pytest.approx(twin, abs=5e-5)
    # The other way round nothing was lost: what learnt on is no regression.
    assert check("early", "last").outcome == "PASS"
