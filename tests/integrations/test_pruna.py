"""Pruna's evaluation agent with our metric; what is broken ends it and is never a 0."""

from __future__ import annotations

import numpy as np
import pytest
from integrations.conftest import BROKEN, picture

pytest.importorskip("pruna", reason="Pruna is not installed (pip install pruna)")

import torch
from pruna.evaluation.metrics.registry import MetricRegistry

from evalsuite.errors import EvalsuiteError
from evalsuite.integrations.pruna import METRIC, TextRenderingMetric

pytestmark = pytest.mark.usefixtures("by_hand")

TARGETS = {"text_content": ["OPEN DAILY"], "category": "sign"}


def batch(*colours) -> torch.Tensor:
    """As Pruna's handler for diffusers makes it: B × 3 × H × W of uint8."""
    return torch.stack([torch.from_numpy(np.asarray(picture(colour))).permute(2, 0, 1) for colour in colours])


@pytest.fixture
def metric():
    return MetricRegistry.get_metric(METRIC, device="cpu")


def test_errors_are_summed_over_batches(metric):
    metric.update(["p", "p"], [TARGETS, TARGETS], batch(0, 1))
    metric.update(["p"], [["OPEN DAILY"]], batch(2).float() / 255)
    found = metric.compute()
    # Twenty-seven characters: one is another, nine are missing.
    assert found.result == pytest.approx(17 / 27)
    assert (found.name, found.higher_is_better, found.params["images"]) == (METRIC, True, 3)
    assert (found.params["characters"], found.params["errors"]) == (27, 10)


def test_what_cannot_be_read_ends_the_evaluation(metric):
    with pytest.raises(EvalsuiteError, match="image 2: by-hand could not read it"):
        metric.update(["p", "p"], [TARGETS, TARGETS], batch(0, BROKEN))
    with pytest.raises(EvalsuiteError, match="not finite"):
        metric.update(["p"], [TARGETS], torch.full((1, 3, 8, 8), torch.nan))
    with pytest.raises(EvalsuiteError, match="one even colour"):
        metric.update(["p"], [TARGETS], torch.zeros((1, 3, 8, 8), dtype=torch.uint8))
    with pytest.raises(EvalsuiteError, match="no image was scored"):
        metric.compute()


@pytest.mark.parametrize(
    ("targets", "message"),
    [([], "0 of targets"), ([{"category": "sign"}], "no field 'text_content'.*there: category"), ([7], "not int")],
)
def test_a_prompt_without_targets_is_refused(metric, targets, message):
    with pytest.raises(EvalsuiteError, match=message):
        metric.update(["p"], targets, batch(0))


def test_a_reset_forgets_what_was_scored(metric):
    metric.update(["p"], [TARGETS], batch(1))
    metric.reset()
    metric.update(["p"], [TARGETS], batch(0))
    assert metric.compute().result == 1.0


def test_it_compares_no_two_models():
    with pytest.raises(EvalsuiteError, match="call_type 'pairwise'"):
        TextRenderingMetric(call_type="pairwise", device="cpu")
