"""The slices of a run that a policy gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite.gate.policy import GateRule
    from evalsuite.records import Manifest, Prompt


def expand(rule: GateRule, manifest: Manifest) -> list[tuple[str, list[Prompt]]]:
    """The slices that a rule gates, each with its prompts; none where no prompt of the run fits it."""
    if rule.slice == "all":
        return [("all", list(manifest.prompts))]
    dimension, _, wanted = rule.slice.partition("=")
    groups: dict[str, list[Prompt]] = {}
    for prompt in manifest.prompts:
        value = str(getattr(prompt, dimension))
        if wanted in ("*", value):
            groups.setdefault(f"{dimension}={value}", []).append(prompt)
    return list(groups.items())
