"""All runs of a folder in the browser, on this machine alone: `evalsuite view`."""

from evalsuite.view.listen import view_runs

__all__ = ["view_runs"]
