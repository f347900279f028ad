"""The version of this package, in one place: pages, verdicts and exports carry it."""

__version__ = "0.1.0"
