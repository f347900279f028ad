"""The regression gate: whether a candidate's stored run may ship, measured against a baseline's.

Works from stored rows, without a GPU, an OCR engine or torch.
"""

from __future__ import annotations

from evalsuite.gate.decide import judge
from evalsuite.gate.policy import Policy, PolicyError, load_policy
from evalsuite.gate.side import Side, side_of
from evalsuite.gate.verdict import Acknowledgement, GateResult, RunRef, SpeedResult, Verdict, WorstPrompt

__all__ = [
    "Acknowledgement",
    "GateResult",
    "Policy",
    "PolicyError",
    "RunRef",
    "Side",
    "SpeedResult",
    "Verdict",
    "WorstPrompt",
    "judge",
    "load_policy",
    "side_of",
]
