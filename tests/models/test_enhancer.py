"""The prompt enhancer under a seed for each text, one at a time and in batches."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from evalsuite.errors import EvalsuiteError  # noqa: E402
from evalsuite.models import enhancer as under_test  # noqa: E402
from evalsuite.models.enhancer import PromptEnhancer  # noqa: E402
from evalsuite.models.text_writer import Sampling  # noqa: E402

SIZE = (64, 32)


class Enhancing:
    """A pipeline whose enhancer samples from torch's global generator, as ErnieImagePipeline's."""

    def __init__(self):
        self.calls = 0

    def _enhance_prompt_with_pe(self, prompt, device, width=1024, height=1024):
        self.calls += 1
        return f"{prompt} {torch.randint(1_000_000, (1,)).item()} {device} {width}x{height}"


class Lengths:
    """A pipeline whose enhancer answers with the tokens that its language model wrote; a prompt is one token."""

    _execution_device = "cpu"

    def __init__(self):
        self.pe = SimpleNamespace(generate=None)

    def _enhance_prompt_with_pe(self, prompt, device, width=1024, height=1024):  # noqa: ARG002
        if prompt == "broken":
            raise RuntimeError("the tokenizer chokes on it")
        written = self.pe.generate(input_ids=torch.tensor([[len(prompt)]]), max_new_tokens=9)
        return " ".join(map(str, written[0].tolist()))


def ten_seconds(call):
    return call(), 10.0


def enhancer(pipeline, mode, batch=1):
    return PromptEnhancer(pipeline, mode, "cpu", batch=batch, clock=ten_seconds)


@pytest.fixture
def written(monkeypatch):
    """A language model that writes each prompt's only token as often as it says; the batches that it was asked for."""
    batches = []

    def write(_model, texts, _sampling, slots):
        batches.append(([text.generator.initial_seed() for text in texts], slots))
        for text in texts:
            text.tokens = [int(text.prompt[0])] * int(text.prompt[0])
            yield text

    sampling = Sampling(do_sample=True, temperature=0.6, top_k=50, top_p=0.95, ends=(2,), least=0, most=9)
    monkeypatch.setattr(Sampling, "of", classmethod(lambda *_: sampling))
    monkeypatch.setattr(under_test, "write_texts", write)
    return batches


def test_each_image_has_its_own_text_by_its_seed_whatever_came_before(prompt):
    a, b = prompt("a"), prompt("b")
    first = [each.text for each in enhancer(Enhancing(), "image").rewrite([(a, 1), (a, 2), (b, 1)], SIZE)]
    again = enhancer(Enhancing(), "image").rewrite([(a, 1)], SIZE)
    assert first[0] == again[0].text
    assert len(set(first)) == 3
    torch.manual_seed(1)
    assert first[0] == f"a {torch.randint(1_000_000, (1,)).item()} cpu 64x32"


def test_all_seeds_of_a_prompt_share_one_text_in_any_order(prompt):
    a, b = prompt("a"), prompt("b")
    pipeline = Enhancing()
    sharing = enhancer(pipeline, "prompt")
    first = sharing.rewrite([(a, 1), (b, 2), (a, 3)], SIZE)
    second = sharing.rewrite([(b, 9), (a, 8)], SIZE)
    assert first[0] == first[2] == second[1]
    assert first[1] == second[0] != first[0]
    assert pipeline.calls == 2
    assert enhancer(Enhancing(), "prompt").rewrite([(b, 5)], SIZE)[0].text == first[1].text


def test_the_global_generator_is_as_it_was(prompt):
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    enhancer(Enhancing(), "image").rewrite([(prompt("a"), 7)], SIZE)
    assert torch.equal(torch.rand(3), expected)


def test_a_pipeline_without_a_known_enhancer_is_an_error():
    with pytest.raises(EvalsuiteError, match="Set enhance=off"):
        enhancer(SimpleNamespace(), "image")
    changed = SimpleNamespace(_enhance_prompt_with_pe=lambda prompt: prompt)
    with pytest.raises(EvalsuiteError, match="Set enhance=off"):
        enhancer(changed, "image")


def test_it_works_ahead_in_full_batches_and_does_nothing_twice(prompt, written, monkeypatch):
    monkeypatch.setattr(under_test, "AHEAD", 2)
    model = enhancer(Lengths(), "image", batch=2)
    requests = [(prompt("x" * length), seed) for length in (1, 2, 3) for seed in (7, 8)]
    model.foresee(requests)
    texts = [each.text for request in requests for each in model.rewrite([request], SIZE)]
    assert texts == ["1 1", "1 1", "2 2 2", "2 2 2", "3 3 3 3", "3 3 3 3"]
    assert [batch for batch in written if len(batch[0]) > 1] == [([7, 8, 7, 8], 2), ([7, 8], 2)]


@pytest.mark.usefixtures("written")
def test_an_image_bears_its_texts_share_of_the_time_by_tokens(prompt):
    requests = [(prompt("x"), 1), (prompt("xxx"), 2), (prompt("x" * 6), 3)]
    model = enhancer(Lengths(), "image", batch=4)
    model.foresee(requests)
    assert [each.seconds for each in model.rewrite(requests, SIZE)] == [1.0, 3.0, 6.0]


@pytest.mark.usefixtures("written")
def test_the_images_that_share_a_text_share_its_time(prompt):
    requests = [(prompt("x"), seed) for seed in (1, 2)] + [(prompt("xxx"), seed) for seed in (1, 2, 3)]
    model = enhancer(Lengths(), "prompt", batch=4)
    model.foresee(requests)
    seconds = [each.seconds for each in model.rewrite(requests, SIZE)]
    assert seconds == [1.25, 1.25, 2.5, 2.5, 2.5]
    assert sum(seconds) == 10.0


@pytest.mark.usefixtures("written")
def test_a_prompt_that_cannot_be_read_fails_in_its_own_turn_alone(prompt):
    good, bad = (prompt("xx"), 1), (prompt("broken"), 1)
    model = enhancer(Lengths(), "image", batch=4)
    model.foresee([good, bad])
    assert model.rewrite([good], SIZE)[0].text == "2 2 2"
    with pytest.raises(RuntimeError, match="chokes"):
        model.rewrite([bad], SIZE)


@pytest.mark.usefixtures("written")
def test_after_a_failed_batch_each_answers_for_its_own(prompt, monkeypatch):
    writing = under_test.write_texts

    def failing(model, texts, sampling, slots):
        if any(text.prompt[0] == 3 for text in texts):
            raise ArithmeticError("no numbers")
        return writing(model, texts, sampling, slots)

    monkeypatch.setattr(under_test, "write_texts", failing)
    model = enhancer(Lengths(), "image", batch=4)
    requests = [(prompt("x" * length), 1) for length in (1, 3, 2)]
    model.foresee(requests)
    assert model.rewrite(requests[:1], SIZE)[0].text == "1 1"
    with pytest.raises(ArithmeticError):
        model.rewrite(requests[1:2], SIZE)
    assert model.rewrite(requests[2:], SIZE)[0].text == "2 2 2"


# --- With the real pipeline ---


def drawn(open_model, requests, *settings):
    with open_model("ernie", *settings) as model:
        return list(model.draw(requests))


def test_the_real_enhancer_writes_the_same_in_batches_as_one_at_a_time(open_model, prompt):
    requests = [(prompt(), 1), (prompt("A sign that reads 'OPEN' in red", name="p2"), 2), (prompt(), 3)]
    alone = drawn(open_model, requests, "enhance=image", "enhance_batch=1")
    batched = drawn(open_model, requests, "enhance=image")
    assert [each.revised_prompt for each in batched] == [each.revised_prompt for each in alone]
    assert len({each.revised_prompt for each in alone}) == 3
    assert [each.image.tobytes() for each in batched] == [each.image.tobytes() for each in alone]
    codes = {finding.code for each in alone for finding in each.findings}
    assert "target-lost-in-enhancement" in codes  # random weights write noise
    for each in (*alone, *batched):
        assert each.timing.phases[0].name == "prompt_enhancement"
        assert sum(phase.seconds for phase in each.timing.phases) == pytest.approx(each.timing.total)


def test_without_the_enhancer_it_is_not_even_loaded(open_model, prompt):
    with open_model("ernie", "enhance=off") as model:
        assert model._session.pipeline.pe is None
        (drawing,) = model.draw([(prompt(), 1)])
    assert drawing.error is None, drawing.error
    assert drawing.revised_prompt is None
    assert "prompt_enhancement" not in [phase.name for phase in drawing.timing.phases]
