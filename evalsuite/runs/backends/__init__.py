"""Where a run's images are drawn other than in its own process: on several devices of this machine, or on Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.runs.backends.base import Backend, check_models
from evalsuite.runs.backends.names import parse_devices

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalsuite.ocr import OcrEngine

__all__ = ["BACKENDS", "Backend", "backend_for", "check_models", "parse_devices"]

BACKENDS = ("local", "ray")


def backend_for(
    name: str, devices: str | None, address: str | None, find_engine: Callable[[], OcrEngine]
) -> Backend | None:
    """The backend of that name; None where the run's own process draws.

    Args:
        name: `local` or `ray`.
        devices: What `--devices` says.
        address: Of a Ray cluster.
        find_engine: Resolves the run's OCR engine, on any machine.

    Raises:
        EvalsuiteError: There is no such backend, or what it needs is not installed.
    """
    if name not in BACKENDS:
        raise EvalsuiteError(f"--backend {name}: is not known; known: {', '.join(BACKENDS)}")
    if name == "ray":
        from evalsuite.runs.backends.on_ray import OnRay

        return OnRay(devices, address, find_engine)
    if address is not None:
        raise EvalsuiteError("--address goes with --backend ray")
    if not devices:
        return None
    from evalsuite.runs.backends.devices import Devices

    return Devices(parse_devices(devices))
