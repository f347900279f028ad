"""What the first screen says of a run and of a comparison, by hand."""

from __future__ import annotations

import re

import pytest

from evalsuite.report import build_comparison, build_report, comparison, headline
from evalsuite.report.i18n import translate
from evalsuite.runs import open_run
from evalsuite.runs.summary import MEAN

WORDS = ["alpha", "bravo", "charly", "delta", "echoes", "foxtro", "golfer", "hotels", "indigo", "juliet"]
PROMPTS = [(f"p-{n:02}", word) for n, word in enumerate(WORDS)]


@pytest.fixture
def make(handmade, tmp_path):
    """A run of ten prompts; `lost` says how many of its last letters each model loses, `seconds` its time."""
    prompts = [handmade.prompt(i, "signs", "neon", f'A "{w}".', (w,)) for i, w in PROMPTS]

    def make(name, lost, seconds, **options):
        models = [handmade.model(each, "reference" if each == "typeset" else "model") for each in lost]

        def outcome(spec, prompt, _seed):
            word = prompt.targets[0]
            return handmade.Outcome(lines=(word[: len(word) - lost[spec.name]],), seconds=seconds[spec.name])

        options = {"prompts": prompts, "models": models, "outcome": outcome, "size": handmade.SPECK, **options}
        return open_run(handmade.make_run(tmp_path / name, **options))

    return make


def said(sentences):
    return ["".join(part.text for part in parts) for parts in sentences]


def test_each_model_is_told_against_the_first(make):
    run = make(
        "run",
        {"ernie": 0, "klein": 3, "flux": 0, "typeset": 0},
        {"ernie": 2.0, "klein": 0.4, "flux": 2.02, "typeset": 1},
    )
    called = comparison.contestants([run])
    differences = comparison.compare_all([run], called)
    low, high = 100 * differences[0].interval.low, 100 * differences[0].interval.high
    # A word with two of five letters left is not found at all, one with three of six is: (3 × 1 + 7 × 0.5) / 10 = 65 %.
    klein, flux = said(headline.sentences_of_run(run))
    assert klein == (
        f"klein draws 65.0 points fewer characters right than ernie, [{-high:.1f}, {-low:.1f}], 5 times as fast."
    )
    assert flux.startswith("flux cannot be told from ernie in mean accuracy: +0.0 points, [")
    assert flux.endswith("], at the same speed. All prompts score the same.")
    parts = headline.sentences_of_run(run)[0]
    chinese = "".join(translate(part.key, "zh", **part.values) for part in parts)
    assert chinese == f"klein 正确画出的字符比 ernie 少 65.0 个百分点，[{-high:.1f}, {-low:.1f}]，速度是其 5 倍。"


@pytest.mark.parametrize(
    ("lost", "english", "chinese"),
    [
        # Two-sided: 2 / 2⁶ = 0.03125, and 2 / 2⁵ = 0.0625.
        (
            6,
            (
                " But of 10 prompts, 0 score better and 6 worse, more than chance explains (p = 0.031, exact sign "
                "test): more prompts lose than gain, though 10 prompts cannot rule out rare large gains, and so the "
                "mean is not told."
            ),
            (
                "不过，10 条提示词中有 0 条变好、6 条变差，超出偶然所能解释的程度（p = 0.031，精确符号检验）："
                "变差的提示词多于变好的；但 10 条提示词不足以排除少见的大幅变好，因此均值尚无定论。"
            ),
        ),
        (
            5,
            " Of 10 prompts, 0 score better and 5 worse, which chance may explain (p = 0.062, exact sign test).",
            "10 条提示词中有 0 条变好、5 条变差，偶然即可解释（p = 0.062，精确符号检验）。",
        ),
        (0, " All prompts score the same.", "10 条提示词的得分全部相同。"),
    ],
)
def test_where_the_mean_is_not_told_the_prompts_that_moved_are(make, handmade, lost, english, chinese):
    def outcome(spec, prompt, _seed):
        word = prompt.targets[0]
        cut = spec.name == "klein" and WORDS.index(word) < lost
        return handmade.Outcome(lines=(word[:-1] if cut else word,), seconds=1.0)

    run = make("run", {"ernie": 0, "klein": 0}, {}, outcome=outcome)
    ((told, speed, sign),) = headline.sentences_of_run(run)
    assert told.text.startswith("klein cannot be told from ernie in mean accuracy: ")
    assert speed.text == ", at the same speed."
    assert sign.text == english
    assert translate(sign.key, "zh", **sign.values) == chinese


def test_a_lone_model_is_told_against_its_ceiling(make):
    run = make("run", {"klein": 3, "typeset": 0}, {"klein": 0.4, "typeset": 1})
    (text,) = said(headline.sentences_of_run(run))
    assert text.startswith("klein draws 65.0 points fewer characters right than this OCR reads of perfect lettering, [")
    assert said(headline.sentences_of_run(make("alone", {"klein": 3}, {"klein": 0.4}))) == []


def test_what_cannot_be_compared_says_why(handmade, make):
    slow = make("slow", {"ernie": 0}, {"ernie": 2.0}, environment=handmade.Environment(cpu="another"))
    fast = make("fast", {"klein": 3}, {"klein": 0.4})
    untimed = make("untimed", {"bare": 3}, {"bare": None})
    for pair, reason in (((slow, fast), "not the same machine"), ((fast, untimed), "not both were timed")):
        called = comparison.contestants(pair)
        (text,) = said(headline.sentences(pair, called, comparison.compare_all(pair, called)))
        assert f"]. Speeds are not compared: {reason}" in text

    def outcome(_spec, prompt, _seed):
        return handmade.Outcome(error="boom") if prompt.id == "p-03" else handmade.perfect(prompt)

    run = make("broken", {"ernie": 0, "klein": 0}, {}, outcome=outcome)
    assert said(headline.sentences_of_run(run)) == [
        "klein and ernie are not compared in words: 2 of their images are missing or unread and count as wrong."
    ]


def words_of(page):
    return " ".join(
        re.sub(r"<script.*?</script>|<[^>]+>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL).split()
    )


def test_the_answer_comes_before_everything_else(make, tmp_path):
    run = make("run", {"ernie": 0, "klein": 3, "typeset": 0}, {"ernie": 2.0, "klein": 0.4, "typeset": 1})
    words = words_of(build_report(run))
    answer, _, rest = words.partition(" Accuracy Show Character accuracy is 1")
    assert "klein draws 65.0 points fewer" in answer
    # Pooled, 15 + 21 of 57 letters are lost; as a mean over prompts, 65 %.
    assert "0.368 [" in answer
    assert "mean over prompts 0.350 [" in answer
    assert "OCR ceiling 1.000" in answer
    assert "0.4 s" in answer
    for metadata in ("evalsuite-packing", "a processor", "PP-OCRv6"):
        assert metadata not in answer
        assert metadata in rest
    other = make("other", {"klein": 3, "typeset": 0}, {"klein": 0.4, "typeset": 1})
    first = make("first", {"ernie": 0, "typeset": 0}, {"ernie": 2.0, "typeset": 1})
    words = words_of(build_comparison([first, other], tmp_path / "out"))
    said_at, difference, figures = (
        words.find("klein draws 65.0"),
        words.find("\u22120.650 [\u2212"),
        words.find("0.368 ["),
    )
    assert 0 < said_at < difference < figures


def test_the_mean_over_prompts_is_a_figure_of_the_whole_and_of_languages(handmade, tmp_path):
    run = open_run(handmade.make_run(tmp_path / "run", outcome=handmade.noodes, scored=False))
    klein = run.summary.models[0]
    # 11 of 12, 21 of 21 and 5 of 6 characters.
    assert klein.overall.intervals[MEAN].estimate == pytest.approx((11 / 12 + 1 + 5 / 6) / 3)
    assert {each.dimension for each in klein.slices if MEAN in each.intervals} == {"all", "language"}


def test_too_few_prompts_say_what_to_ask_for(handmade, make):
    run = make("run", {"klein": 3}, {"klein": 1.0}, suites=None)
    words = words_of(build_report(run))
    assert re.search(
        r"10 prompts decide little: they leave an interval 0\.\d\d wide, .*have 10 prompts; take more suites",
        words,
    )
    whole = handmade.SuiteRef(name="signs", digest="0" * 64, prompts=5000, source="signs.yaml")
    run = make("part", {"klein": 3}, {"klein": 1.0}, suites={"signs": whole})
    assert re.search(
        r"10 prompts decide little: .* Use --limit \d+: about so many prompts like these would make it 0\.1",
        words_of(build_report(run)),
    )
