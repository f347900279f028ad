"""The regression gate: whether a candidate's stored run may ship, measured against a baseline's.

Works from stored rows, without a GPU, an OCR engine or torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.gate.decide import judge
from evalsuite.gate.policy import Policy, PolicyError, load_policy
from evalsuite.gate.verdict import Acknowledgement, GateResult, RunRef, SpeedResult, Verdict, WorstPrompt
from evalsuite.gate.view import NotFiniteError, RunView, open_view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Acknowledgement",
    "GateResult",
    "NotFiniteError",
    "Policy",
    "PolicyError",
    "RunRef",
    "RunView",
    "SpeedResult",
    "Verdict",
    "WorstPrompt",
    "check",
    "judge",
    "load_policy",
    "open_view",
]


def check(
    baseline: Path,
    candidate: Path,
    *,
    policy: str | Path | Policy = "default",
    anchor: Path | None = None,
    baseline_model: str | None = None,
    candidate_model: str | None = None,
    anchor_model: str | None = None,
    acknowledged: Sequence[Acknowledgement] = (),
) -> Verdict:
    """Gate one stored run against another, and against an anchor if one is named. See `judge`.

    Raises:
        EvalsuiteError: A run or the policy cannot be read; what can be read but not compared is a verdict.
    """
    rules = policy if isinstance(policy, Policy) else load_policy(policy)
    return judge(
        open_view(baseline, baseline_model),
        open_view(candidate, candidate_model),
        rules,
        anchor=open_view(anchor, anchor_model) if anchor is not None else None,
        acknowledged=acknowledged,
    )
