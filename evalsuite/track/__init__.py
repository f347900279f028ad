"""A run's figures in experiment trackers: Weights & Biases, MLflow, TensorBoard; each by its maker's own client."""

from __future__ import annotations

from evalsuite.track.base import Tracked, TrackError, check_trackers, known_trackers
from evalsuite.track.run import track_run
from evalsuite.track.sweep import SweepTracking

__all__ = ["SweepTracking", "TrackError", "Tracked", "check_trackers", "known_trackers", "track_run"]
