"""Phases against a clock that is moved by hand, and on the real pipelines."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from evalsuite.models.phases import HostClock, PhaseRecorder, with_enhancement, wrapped

FAMILIES = ["klein", "klein-base", "ernie", "ernie-no-pe"]


class Hands:
    """A clock whose time only `spend` moves."""

    def __init__(self):
        self.now = 0.0

    def spend(self, seconds):
        self.now += seconds

    def mark(self):
        return self.now

    def wait(self):
        pass

    def seconds(self, start, end):
        return end - start


class Denoiser:
    def __init__(self, clock):
        self.clock = clock
        self.hooks = []

    def register_forward_pre_hook(self, hook):
        self.hooks.append(hook)
        return SimpleNamespace(remove=lambda: self.hooks.remove(hook))

    def __call__(self):
        for hook in self.hooks:
            hook(self, ())
        self.clock.spend(4)


class Pipeline:
    """A pipeline in small: 5 s of tokens, 3 s encoding, 1 s between, 2 steps of 4 + 1 s, 5 s decoding, 1 s after."""

    def __init__(self, clock):
        self.clock = clock
        self.transformer = Denoiser(clock)
        self.scheduler = SimpleNamespace(step=lambda: clock.spend(1))
        self.vae = SimpleNamespace(decode=lambda: clock.spend(5))

    def generate_prior_tokens(self):
        self.clock.spend(2)
        self.encode_prompt()  # within the language model: belongs to it

    def encode_prompt(self):
        self.clock.spend(3)

    def __call__(self):
        self.generate_prior_tokens()
        self.encode_prompt()
        self.clock.spend(1)
        for _ in range(2):
            self.transformer()
            self.scheduler.step()
        self.vae.decode()
        self.clock.spend(1)
        return "image"


@pytest.fixture
def measured(monkeypatch):
    clock = Hands()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    pipeline = Pipeline(clock)
    return pipeline, PhaseRecorder(pipeline, clock)


def test_every_second_is_told_once(measured):
    pipeline, recorder = measured
    with recorder.attach():
        result, timing = recorder.measure(pipeline, images=1)
    assert result == "image"
    assert timing.total == 25
    assert [(phase.name, phase.seconds) for phase in timing.phases] == [
        ("prior_tokens", 5),
        ("text_encoding", 3),
        ("denoising", 10),
        ("decoding", 5),
        ("other", 2),
    ]
    assert timing.steps == (5, 5)


def test_the_enhancement_before_the_call_is_an_images_first_phase(measured):
    pipeline, recorder = measured
    assert recorder.seconds_of(lambda: pipeline.clock.spend(7)) == (None, 7)
    with recorder.attach():
        _, timing = recorder.measure(pipeline, images=1)
    timing = with_enhancement(timing, 7)
    assert timing.total == 32
    assert [(phase.name, phase.seconds) for phase in timing.phases][:2] == [
        ("prompt_enhancement", 7),
        ("prior_tokens", 5),
    ]


def test_each_image_of_a_batch_carries_its_share(measured):
    pipeline, recorder = measured
    with recorder.attach():
        _, timing = recorder.measure(pipeline, images=5)
    assert timing.total == 5
    assert timing.batch == 5
    assert timing.steps == (1, 1)
    assert sum(phase.seconds for phase in timing.phases) == 5


def test_a_pipeline_without_parts_is_drawing(monkeypatch):
    clock = Hands()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    pipeline = SimpleNamespace(components={})
    recorder = PhaseRecorder(pipeline, clock)
    with recorder.attach():
        _, timing = recorder.measure(lambda: clock.spend(3), images=1)
    assert [(phase.name, phase.seconds) for phase in timing.phases] == [("drawing", 3)]
    assert timing.steps == ()


def test_marks_are_taken_away_even_after_an_error(measured):
    pipeline, recorder = measured
    decode, step = pipeline.vae.decode, pipeline.scheduler.step

    def fail():
        pipeline.encode_prompt()
        raise ValueError("drawing failed")

    with recorder.attach():
        with pytest.raises(ValueError, match="drawing failed"):
            recorder.measure(fail, images=1)
        _, timing = recorder.measure(pipeline, images=1)  # nothing of the failed call is left
        assert timing.total == 25
    assert pipeline.vae.decode is decode
    assert pipeline.scheduler.step is step
    assert "encode_prompt" not in vars(pipeline)
    assert pipeline.transformer.hooks == []


def test_calls_outside_a_measurement_pass_through(measured):
    pipeline, recorder = measured
    with recorder.attach():
        assert pipeline() == "image"
        _, timing = recorder.measure(pipeline, images=1)
    assert timing.total == 25


def test_wrapped_puts_back_what_an_object_had_of_its_own():
    class Thing:
        def method(self):
            return "class"

    thing = Thing()
    with wrapped(thing, "method", lambda method: lambda: method() + "!"):
        assert thing.method() == "class!"
    assert "method" not in vars(thing)
    thing.method = lambda: "own"
    with wrapped(thing, "method", lambda method: lambda: method() + "!"):
        assert thing.method() == "own!"
    assert thing.method() == "own"


@pytest.mark.parametrize("name", FAMILIES)
def test_phases_of_the_real_pipelines_sum_to_the_time_on_the_wall(open_model, prompt, name):
    with open_model(name, "steps=3") as model:
        list(model.draw([(prompt(), 0)]))
        started = time.perf_counter()
        (drawing,) = model.draw([(prompt(), 1)])
        wall = time.perf_counter() - started
    timing = drawing.timing
    seconds = {phase.name: phase.seconds for phase in timing.phases}
    expected = {"text_encoding", "denoising", "decoding", "other"}
    assert set(seconds) == expected | ({"prompt_enhancement"} if name == "ernie" else set())
    assert all(value > 0 for value in seconds.values())
    assert sum(seconds.values()) == pytest.approx(timing.total, rel=0.02)
    assert timing.total <= wall
    assert len(timing.steps) == 3
    assert sum(timing.steps) == pytest.approx(seconds["denoising"], rel=1e-9)


@pytest.mark.parametrize(
    ("part", "phase"), [("text_encoder", "text_encoding"), ("transformer", "denoising"), ("vae.decoder", "decoding")]
)
def test_time_lost_in_a_part_shows_in_its_phase_and_no_other(open_model, prompt, monkeypatch, part, phase):
    lost, clock = [], time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + sum(lost))
    with open_model("klein") as model:
        module = model._session.pipeline
        for name in part.split("."):
            module = getattr(module, name)

        def phases():
            (drawing,) = model.draw([(prompt(), 1)])
            return {entry.name: entry.seconds for entry in drawing.timing.phases}

        phases()
        handle = module.register_forward_hook(lambda *_: lost.append(3_600))
        seconds = phases()
        handle.remove()
    assert len(lost) == (2 if part == "transformer" else 1)
    assert seconds.pop(phase) >= sum(lost)
    assert all(value < 3_600 for value in seconds.values())


def test_the_clock_of_the_host_counts_seconds():
    clock = HostClock()
    before = time.perf_counter()
    start = clock.mark()
    time.sleep(0.05)
    clock.wait()
    end = clock.mark()
    assert 0.05 <= clock.seconds(start, end) <= time.perf_counter() - before
