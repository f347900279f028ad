"""Stand-in checkpoints of the real architectures, built once a session, and requests to draw with them."""

from __future__ import annotations

import pytest

from evalsuite.models import ModelOptions, parse_settings, resolve
from evalsuite.records import Prompt


@pytest.fixture(autouse=True)
def _own_digest_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path_factory.getbasetemp() / "evalsuite-cache"))


@pytest.fixture
def open_model(checkpoints):
    """A stand-in by name, 64x64 pixels in float32 and 2 steps unless told otherwise."""

    def make(name: str, *settings: str, lora: tuple[str, ...] = (), transformer: str | None = None):
        base = {"size": "64x64", "precision": "fp32", "steps": 2}
        options = ModelOptions({**base, **parse_settings(settings)}, lora, transformer)
        return resolve(str(checkpoints / name), options=options)

    return make


@pytest.fixture
def cpu_with(monkeypatch):
    """Makes torch say that the CPU has these instructions and no others, whatever this one has."""
    import torch

    return lambda *names: monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(names, True))


@pytest.fixture
def prompt():
    """A prompt with a text and targets of one's own."""

    def make(text: str = "A neon sign that reads 'OPEN'", targets: tuple[str, ...] = ("OPEN",), name: str = "p1"):
        return Prompt(id=name, suite="t", language="en", category="signage", length="short", text=text, targets=targets)

    return make
