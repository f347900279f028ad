"""The published figures that ship."""

from __future__ import annotations

import pytest
from claims_by_hand import GOOD, HEAD, SCORE, Plan, check

from evalsuite.claims import check_statements, load, published
from evalsuite.errors import EvalsuiteError
from evalsuite.models.presets import load_presets


def test_the_whole_table_of_the_ernie_image_readme_is_there():
    table = [claim for claim in published().scores if claim.source.title.startswith("ERNIE-Image README")]
    assert len(table) == 13
    assert all(claim.average_printed for claim in table)
    best = {claim.id: claim for claim in table}["ernie-image-longtext"]
    assert (best.languages["en"].text, best.languages["zh"].text, best.average.text) == ("0.9804", "0.9661", "0.9733")
    assert best.average.rounding == pytest.approx(0.00005)
    assert best.source.published.isoformat() == "2026-04-14"


def test_what_labs_differ_by_is_what_the_figures_say():
    """FLUX.2 [klein] 9B in two tables: 0.5413 and 0.5490."""
    ours = published()
    one_lab, other = (ours.named(f"flux2-klein-9b-longtext{tail}") for tail in ("", "-mage-flow"))
    assert other.average.value - one_lab.average.value == pytest.approx(0.0077, abs=1e-6)
    assert round(other.average.value - one_lab.average.value, 3) == one_lab.labs_differ
    assert one_lab.tolerance == pytest.approx(2 * one_lab.labs_differ)


def test_the_figures_of_other_readmes_are_as_printed():
    """As they stand in the READMEs at the commits that the sources name."""
    printed = {
        ("Mage-Flow README", "FLUX.2 [klein] 4B"): ("0.649", "0.068"),
        ("Mage-Flow README", "FLUX.2 [klein] base 4B"): ("0.554", "0.071"),
        ("Mage-Flow README", "FLUX.2 [klein] 9B"): ("0.872", "0.226"),
        ("Mage-Flow README", "FLUX.2 [klein] base 9B"): ("0.872", "0.227"),
        ("Mage-Flow README", "Mage-Flow"): ("0.944", "0.823"),
        ("Mage-Flow README", "Seedream 4.0"): ("0.936", "0.946"),
        ("HiDream-O1-Image README", "HiDream-O1-Image"): ("0.979", "0.978"),
        ("HiDream-O1-Image README", "HiDream-O1-Image-Pro"): ("0.982", "0.980"),
        ("HiDream-O1-Image README", "Nano Banana 2.0"): ("0.980", "0.965"),
        ("HiDream-O1-Image README", "FLUX.2 [dev]"): ("0.963", "0.757"),
        ("HiDream-O1-Image README", "GPT Image 1 [High]"): ("0.956", "0.619"),
        ("HiDream-O1-Image README", "GPT Image 2"): ("0.960", "0.961"),
        ("HiDream-O1-Image README", "X-Omni"): ("0.900", "0.814"),
        ("Ovis-Image README", "Ovis-Image"): ("0.922", "0.964"),
        ("GLM-Image README", "GLM-Image"): ("0.952", "0.979"),
    }
    titles = {title for title, _ in printed}
    found = {
        (claim.source.title.partition(",")[0], claim.model): (claim.languages["en"].text, claim.languages["zh"].text)
        for claim in published().scores
        if claim.source.title.partition(",")[0] in titles
    }
    assert found == printed


def test_figures_read_in_summaries_or_copies_say_so():
    """The model's own source is cited, and its title tells that another text was read in its place."""
    second_hand = {
        claim.id: (claim.languages["en"].text, claim.languages["zh"].text, claim.source.title)
        for claim in published().scores
        if "read" in claim.source.title
    }
    llada = "LLaDA-Image technical report, Table 5 (read in a copy of it)"
    internvl = "InternVL-U technical report (read second-hand, in a translation of it)"
    assert second_hand == {
        "boogu-image-base-longtext": ("0.952", "0.969", llada),
        "boogu-image-turbo-longtext": ("0.944", "0.977", llada),
        "llada-image-longtext": ("0.923", "0.913", llada),
        "llada-image-turbo-longtext": ("0.899", "0.919", llada),
        "seedream-3.0-longtext": ("0.896", "0.878", llada),
        "nano-banana-pro-longtext": ("0.981", "0.949", internvl),
        "internvl-u-longtext": ("0.738", "0.860", internvl),
        "sensenova-u1-8b-longtext": (
            "0.979", "0.962", "SenseNova-U1 technical report (read second-hand, in a summary of it)"
        ),
        "sensenova-u1.5-8b-longtext": (
            "0.988", "0.989", "SenseNova-U1.5 technical report (read second-hand, in two summaries of it)"
        ),
    }  # fmt: skip
    theirs = [claim for claim in published().speeds if "bfl.ai" in (claim.source.url or "")]
    assert [(claim.id, claim.gpu, claim.text) for claim in theirs] == [("flux2-klein-4b-gb200", "GB200", "under 1")]
    assert theirs[0].settings["precision"] == "bf16"
    assert theirs[0].source.title.endswith("(read in a copy of it)")


def test_speeds_without_a_primary_source():
    """The time on an RTX 5090 is ComfyUI's, which names no precision: it must not be asked for FP8."""
    ours = published()
    assert [claim.id for claim in ours.speeds if not claim.source.traced] == [
        "flux2-klein-4b-rtx-3090",
        "flux2-klein-4b-rtx-4090",
        "ernie-image-turbo-rtx-4090",
        "ernie-image-rtx-4090",
        "ernie-image-fp8-memory",
        "ernie-image-turbo-sglang",
    ]
    comfyui = ours.named("flux2-klein-4b-rtx-5090")
    assert (comfyui.text, comfyui.source.traced, comfyui.settings) == (
        "about 1.2",
        True,
        {"steps": 4, "size": "1024x1024"},
    )
    assert (comfyui.least, comfyui.most) == (pytest.approx(1.08), pytest.approx(1.32))


def test_every_claim_has_a_source_and_those_without_say_so():
    for claim in published().all:
        assert claim.source.url or not claim.source.traced, claim.id


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD + SCORE + SCORE, "two claims are called 'a'"),
        (HEAD + SCORE + "average = 0.7\n", "average 0.7 is not that of 0.5 and 0.7"),
        (HEAD + SCORE.replace('"s"', '"t"'), "no source is called 't'"),
        (HEAD + SCORE + "fr = 0.5\n", "unknown field `fr`"),
        (HEAD + SCORE.replace("0.5", '"high"'), "Invalid decimal string - at `\\$.scores"),
        (
            HEAD + SCORE + '[[speeds]]\nid = "b"\nmodel = "B"\nsource = "s"\nquantity = "images/s"\n',
            "give either 'about'",
        ),
        (HEAD + "[[scores]", "is not valid TOML"),
    ],
)
def test_a_file_of_claims_that_is_wrong_is_named(tmp_path, content, message):
    path = tmp_path / "claims.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EvalsuiteError, match=message):
        load(path)


def test_unknown_claims_models_and_folders_are_errors(write, tmp_path):
    folder = write(Plan(GOOD))
    with pytest.raises(EvalsuiteError, match="did you mean 'ernie-image-longtext' or"):
        check(folder, ["ernie-image-longtex"])
    with pytest.raises(EvalsuiteError, match="no model 'x' in this run; it has candidate, typeset"):
        check(folder, models=["x"])
    with pytest.raises(EvalsuiteError, match="no run here"):
        check(tmp_path / "nowhere")


def test_every_preset_has_a_published_score_that_asks_for_its_settings():
    """The open models are here because their text was measured; a claim asks for the settings that a preset has."""
    presets = load_presets().presets
    scores = [claim for claim in published().scores if claim.repository is not None]
    assert {preset.repository for preset in presets.values()} == {claim.repository for claim in scores}
    for claim in scores:
        same = [
            preset.settings for preset in presets.values()
            if preset.repository == claim.repository
            and claim.variant.get("enhance") in (None, preset.settings.get("enhance") != "off")
        ]  # fmt: skip
        assert same
        assert all(settings[key] == wanted for settings in same for key, wanted in claim.settings.items()), claim.id


def test_ernie_image_is_no_longer_the_highest_of_open_weights():
    (check,) = check_statements(published())
    assert (check.holds, check.since.isoformat()) == (False, "2026-05-09")
    assert [(claim.model, claim.average.text, claim.licence) for claim in check.above] == [
        ("SenseNova-U1.5-8B-MoT", "0.9885", None),
        ("HiDream-O1-Image", "0.9785", "MIT"),
    ]
    assert "HiDream-O1-Image 0.9785 (MIT, 2026-05-09)" in check.text
    assert "SenseNova-U1.5-8B-MoT 0.9885 (licence not checked, 2026-09-10)" in check.text


STATEMENT = """
[[statements]]
id = "first"
text = "the highest of open weights"
source = "s"
subject = "a"
"""


@pytest.mark.parametrize(
    ("weights", "holds", "said"),
    [
        ('weights = "closed"', True, "true among the figures known here"),
        ("", None, "cannot be told, since whether other can be had was not checked"),
        ('weights = "open"', False, "no longer true. Above its 0.5 stand other 0.7"),
    ],
)
def test_a_statement_holds_only_where_all_above_are_known_to_be_closed(tmp_path, weights, holds, said):
    path = tmp_path / "claims.toml"
    rows = (
        f'[[scores]]\nid = "{i}"\nmodel = "{model}"\nsource = "s"\nen = {n}\nzh = {n}\n{more}\n'
        for i, model, n, more in (("a", "mine", "0.5", ""), ("b", "other", "0.7", weights))
    )
    path.write_text(HEAD + "\n".join(rows) + STATEMENT, encoding="utf-8")
    (check,) = check_statements(load(path))
    assert check.holds is holds
    assert said in check.text


def test_a_statement_about_an_unknown_score_is_refused(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(HEAD + SCORE + STATEMENT.replace('"a"', '"nothing"'), encoding="utf-8")
    with pytest.raises(EvalsuiteError, match="no score is called 'nothing'"):
        load(path)


def test_wegenbench_is_listed_as_printed_and_cannot_be_checked():
    rows = {row.model: row for row in published().wegen}
    assert len(rows) == 18
    with_pe, without = (rows[f"ERNIE-Image-Turbo, {how} prompt enhancer"] for how in ("with", "without"))
    assert (with_pe.char_f1.text, without.char_f1.text, with_pe.edit_sim.text) == ("0.65", "0.75", "0.60")
    with pytest.raises(EvalsuiteError, match="listed and cannot be checked"):
        published().named("glm-image-wegen")
