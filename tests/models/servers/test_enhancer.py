"""Prompts that a chat server rewrites before a model draws, against a loopback server that answers as a script says."""

from __future__ import annotations

import json

import pytest

from evalsuite.errors import EvalsuiteError
from evalsuite.models import ModelOptions, SettingError, parse_settings, resolve
from evalsuite.models.base import Drawing
from evalsuite.records import ModelSpec, Phase, Prompt, Timing

pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")
pytest.importorskip("tenacity", reason="tenacity is not installed (evalsuite[server])")

from servers_by_hand import picture

from evalsuite.http_client import ServerError
from evalsuite.models.servers import enhancer as under_test
from evalsuite.models.servers.enhancer import KEY_VARIABLE, ServedEnhancer


class Drawing0:
    """A model that draws what it is told in one second an image, and keeps what that was."""

    uses_cpu = False

    def __init__(self):
        self.spec = ModelSpec(
            name="drawing",
            kind="diffusion",
            role="stand-in",
            source="by hand",
            weights_digest="0" * 64,
            settings={"size": "96x64", "enhance": "off"},
            runtime={"batch": 1},
        )
        self.texts = []

    def notices(self, *_):
        return ("a notice",)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def draw(self, requests):
        for prompt, seed in requests:
            self.texts.append(prompt.text)
            timing = Timing(total=1.0, phases=(Phase(name="drawing", seconds=1.0),))
            yield Drawing(prompt, seed, image=picture(seed), timing=timing)


def wanted(text="A sign that reads 'OPEN'", name="p1"):
    return Prompt(id=name, suite="t", language="en", category="c", length="short", text=text, targets=("OPEN",))


def rewritten(handler, suffix="", **choice):
    """The good answer: the prompt of the request with more words, and the request's seed."""
    asked = json.loads(handler.body["messages"][0]["content"])
    text = f"{asked['prompt']}, in neon {handler.body['seed']}{suffix}"
    choice = {"message": {"content": text}, "finish_reason": "stop", **choice}
    handler.answer(200, json.dumps({"choices": [choice]}).encode())


def with_choice(**choice):
    return lambda handler: rewritten(handler, **choice)


@pytest.fixture
def model(server):
    server.script = [rewritten]
    return lambda mode="image": ServedEnhancer(Drawing0(), server.url, "tiny-pe", mode)


def draw(model, *requests):
    with model:
        return list(model.draw(requests))


def test_each_image_has_its_own_rewritten_prompt_and_is_drawn_by_it(model, server):
    enhanced = model()
    first, second = draw(enhanced, (wanted(), 7), (wanted(), 8))
    assert first.revised_prompt == "A sign that reads 'OPEN', in neon 7"
    assert second.revised_prompt == "A sign that reads 'OPEN', in neon 8"
    assert enhanced._model.texts == [first.revised_prompt, second.revised_prompt]
    assert (first.prompt, first.seed, first.findings) == (wanted(), 7, ())
    assert len(server.requests) == 2


def test_what_is_sent_is_what_the_pipeline_would_ask_its_own_enhancer(model, server):
    draw(model(), (wanted("一块写着“OPEN”的招牌"), 7))
    (sent,) = server.requests
    assert sent == {
        "path": "/v1/chat/completions",
        "model": "tiny-pe",
        "messages": [{"role": "user", "content": '{"prompt": "一块写着“OPEN”的招牌", "width": 96, "height": 64}'}],
        "max_tokens": 2048,
        "seed": 7,
        "temperature": 0.6,
        "top_p": 0.95,
    }


def test_all_seeds_of_a_prompt_share_one_text_and_its_time(model, server):
    requests = [(wanted(), seed) for seed in range(4)] + [(wanted("another 'OPEN'", "p2"), 0)]
    drawings = draw(model("prompt"), *requests)
    assert len(server.requests) == 2
    assert len({each.revised_prompt for each in drawings[:4]}) == 1
    shares = [each.timing.phases[0] for each in drawings]
    assert {phase.name for phase in shares} == {"prompt_enhancement"}
    assert len({phase.seconds for phase in shares[:4]}) == 1
    for each in drawings:
        assert each.timing.total == pytest.approx(1 + each.timing.phases[0].seconds)


def test_prompts_are_asked_for_ahead_and_come_in_order(model, server, monkeypatch):
    monkeypatch.setattr(under_test, "AHEAD", 2)
    requests = [(wanted(f"sign {number} 'OPEN'", f"p{number}"), number) for number in range(7)]
    drawings = draw(model(), *requests)
    assert [(each.prompt.id, each.seed) for each in drawings] == [(f"p{number}", number) for number in range(7)]
    assert len(server.requests) == 7


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (with_choice(finish_reason="length"), "is cut at 2048 tokens"),
        (with_choice(finish_reason="content_filter"), "withheld"),
        (with_choice(finish_reason="tool_calls"), "ended for 'tool_calls'"),
        (with_choice(message={"content": "  "}), "an empty text"),
        (with_choice(message={"content": "x" * 20_001}), "20,001 characters"),
        (with_choice(message={"content": None}), "without text"),
        (lambda handler: handler.answer(200, b"<html>", "text/html"), "not JSON"),
        (500, "failed all 5 attempts: HTTP 500"),
        (400, "HTTP 400"),
    ],
)
def test_what_is_no_whole_text_is_a_failed_image_and_the_others_are_drawn(model, server, entry, reason):
    enhanced = model()

    def by_prompt(handler):
        if "bad" not in handler.body["messages"][0]["content"]:
            rewritten(handler)
        elif callable(entry):
            entry(handler)
        else:
            handler.answer(entry, b"<html>sorry</html>", "text/html")

    server.script = [by_prompt]
    good, bad, last = draw(enhanced, (wanted(), 1), (wanted("bad 'OPEN'", "p2"), 2), (wanted(name="p3"), 3))
    assert (good.error, last.error, bad.image) == (None, None, None)
    assert bad.error.startswith("the prompt enhancer at http://127.0.0.1:")
    assert reason in bad.error
    assert len(enhanced._model.texts) == 2


def test_an_attempt_that_fails_in_passing_is_made_again_and_told(model, server):
    enhanced = model()
    server.script = [503, rewritten]
    (drawing,) = draw(enhanced, (wanted(), 1))
    assert drawing.error is None
    (finding,) = drawing.findings
    assert (finding.code, finding.message) == ("enhance-retried", "rewritten at attempt 2, after: HTTP 503")
    assert server.requests[0] == server.requests[1]


def test_a_target_that_the_server_drops_is_found(model, server):
    enhanced = model()
    server.script = [with_choice(message={"content": "a sign"})]
    (drawing,) = draw(enhanced, (wanted(), 1))
    assert [finding.code for finding in drawing.findings] == ["target-lost-in-enhancement"]


def test_a_server_that_fails_on_and_on_is_asked_no_more(model, server, monkeypatch):
    monkeypatch.setattr(under_test, "_LIMITS", under_test.Limits(attempts=2, timeout=60, connections=1))
    enhanced = model()
    server.script = [500]
    drawings = draw(enhanced, *((wanted(name=f"p{number}"), number) for number in range(8)))
    assert len(server.requests) == 2 * under_test.GIVE_UP_AFTER
    assert all(each.error for each in drawings)
    assert drawings[-1].error.startswith("not enhanced: http://127.0.0.1:")


def test_without_the_right_key_the_run_stops_and_the_key_is_never_shown(model, server, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "a-secret-key")
    enhanced = model()
    server.script = [with_choice(message={"content": "a-secret-key 'OPEN'"})]
    (drawing,) = draw(enhanced, (wanted(), 1))
    assert "repeats the API key" in drawing.error
    assert "a-secret-key" not in drawing.error
    server.script = [401]
    with pytest.raises(ServerError, match="put it in EVALSUITE_ENHANCER_KEY"):
        draw(enhanced, (wanted(), 1))


def test_the_spec_says_who_rewrites_and_its_address_decides_no_image(model):
    first, mode = model(), model("prompt")
    assert first.spec.enhanced
    assert first.spec.settings["enhancer_model"] == "tiny-pe"
    assert first.spec.settings["enhancer_weights"] == "unverified"
    assert first.spec.runtime["enhancer"].startswith("http://127.0.0.1:")
    elsewhere = ServedEnhancer(Drawing0(), "http://10.0.0.1", "tiny-pe", "image")
    assert elsewhere.spec.digest == first.spec.digest
    assert len({first.spec.digest, mode.spec.digest, Drawing0().spec.digest}) == 3
    assert first.notices([], []) == ("a notice",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("enhancer=http://127.0.0.1:1", "add enhancer_model=NAME"),
        ("enhancer_model=x", "but no enhancer="),
        ("enhancer=http://127.0.0.1:1 enhancer_model=x enhance=off", "leave one out"),
        ("enhancer=http://127.0.0.1:1 enhancer_model=x enhance_batch=2", "the server batches"),
        ("enhancer=ftp://127.0.0.1 enhancer_model=x", "an address such as http"),
        ("enhancer=http://me:pass@127.0.0.1 enhancer_model=x", "user or password"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(EvalsuiteError, match=message) as failure:
        resolve("flux2-klein-micro", options=ModelOptions(parse_settings([settings])))
    assert "me:pass" not in str(failure.value)


def test_what_takes_no_settings_takes_no_enhancer():
    options = ModelOptions(parse_settings(["enhancer=http://127.0.0.1:1 enhancer_model=x"]))
    with pytest.raises(SettingError, match="for diffusion models and server:"):
        resolve("typeset", options=options)


def test_a_local_checkpoint_draws_what_the_server_wrote(server, checkpoints):
    """One without an enhancer of its own."""
    pytest.importorskip("diffusers")
    server.script = [rewritten]
    settings = f"enhancer={server.url}/v1 enhancer_model=tiny-pe size=64x64 steps=1 precision=fp32"
    enhanced = resolve(str(checkpoints / "klein"), options=ModelOptions(parse_settings([settings])))
    assert enhanced.spec.runtime["enhancer"] == server.url
    (drawing,) = draw(enhanced, (wanted(), 7))
    assert drawing.error is None, drawing.error
    assert drawing.image.size == (64, 64)
    assert drawing.revised_prompt == "A sign that reads 'OPEN', in neon 7"
    assert [phase.name for phase in drawing.timing.phases][:2] == ["prompt_enhancement", "text_encoding"]
