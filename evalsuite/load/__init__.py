"""How fast a server draws under load: images per second and latencies over a series of levels."""

from evalsuite.load.api import LoadOptions, measure_load
from evalsuite.load.records import Level, LevelFigures, LoadResult, Sample, other_server

__all__ = ["Level", "LevelFigures", "LoadOptions", "LoadResult", "Sample", "measure_load", "other_server"]
