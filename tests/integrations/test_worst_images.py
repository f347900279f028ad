"""The images that lost most, side by side, for a CI job's comment."""

from __future__ import annotations

import pytest
from PIL import Image

from evalsuite.integrations.worst_images import HEIGHT, main


def outcomes(handmade, lost):
    """The first prompts' targets are cut short by so many characters; all others are read as they are."""

    def outcome(model, prompt, _seed):
        cut = lost.get(prompt.id, 0) if model.role == "model" else 0
        first, *rest = prompt.targets
        return handmade.Outcome(lines=(first[: len(first) - cut], *rest))

    return outcome


@pytest.fixture
def runs(handmade, tmp_path):
    one, two = handmade.PROMPTS[:2]
    handmade.make_run(tmp_path / "base")
    handmade.make_run(tmp_path / "next", outcome=outcomes(handmade, {one.id: 1, two.id: 3}))
    return tmp_path, one, two


def test_the_greatest_loss_comes_first_with_both_pictures(runs, capsys):
    folder, one, two = runs
    arguments = [str(folder / "base"), str(folder / "next"), "--out", str(folder / "worst")]
    assert main([*arguments, "--count", "1", "--images", "artifact://worst/"]) == 0
    assert capsys.readouterr().out.strip().endswith("worst.md")
    text = (folder / "worst" / "worst.md").read_text(encoding="utf-8")
    assert text.startswith("### 2 of ")
    assert f"**01.png** {two.id}, seed 0: 1.000 → 0." in text
    assert '<img src="artifact://worst/01.png"' in text
    assert one.id not in text
    # 64 × 48 pixels, brought to the height of the page, twice, with 8 pixels between.
    assert Image.open(folder / "worst" / "01.png").size == (2 * round(64 * HEIGHT / 48) + 8, HEIGHT)
    assert not (folder / "worst" / "02.png").exists()


def test_runs_that_may_not_be_compared_are_refused(runs, handmade, capsys):
    folder, *_ = runs
    handmade.make_run(folder / "short", prompts=handmade.PROMPTS[:1])
    assert main([str(folder / "base"), str(folder / "short"), "--out", str(folder / "worst")]) == 12
    assert "differ in" in capsys.readouterr().err
    assert main([str(folder / "none"), str(folder / "base"), "--out", str(folder / "worst")]) == 2


def test_what_is_missing_is_named_and_is_no_loss(handmade, tmp_path):
    one = handmade.PROMPTS[0]

    def outcome(model, prompt, _seed):
        if prompt.id == one.id and model.role == "model":
            return handmade.Outcome(lines=(), ocr_error="the engine broke down")
        return handmade.Outcome(lines=prompt.targets)

    handmade.make_run(tmp_path / "base")
    handmade.make_run(tmp_path / "next", outcome=outcome)
    assert main([str(tmp_path / "base"), str(tmp_path / "next"), "--out", str(tmp_path / "worst")]) == 0
    lines = (tmp_path / "worst" / "worst.md").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("### 0 of ")
    assert any(line.startswith("- ") and one.id in line.replace("\\", "") for line in lines)
