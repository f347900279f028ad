"""Malformed glyphs: their kinds, and planting them in masks (`defects.plant`, which needs OpenCV)."""

from __future__ import annotations

from evalsuite.models.typeset.defects.kinds import KINDS, NEEDS_DONOR, can_be_malformed

__all__ = ["KINDS", "NEEDS_DONOR", "can_be_malformed"]
