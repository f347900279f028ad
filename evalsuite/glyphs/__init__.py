"""Malformed glyphs: their kinds, and planting them in masks (`glyphs.defects`, which needs OpenCV)."""

from __future__ import annotations

from evalsuite.glyphs.kinds import KINDS, NEEDS_DONOR, can_be_malformed

__all__ = ["KINDS", "NEEDS_DONOR", "can_be_malformed"]
