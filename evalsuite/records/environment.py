"""Where it was measured: hardware and software."""

from __future__ import annotations

import msgspec

from evalsuite.records.base import Record, Whole


class Gpu(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A graphics card: its name, memory in bytes, and enforced power limit in watts where the driver tells it."""

    name: str
    memory: Whole | None = None
    power_limit: float | None = None


class Environment(Record, frozen=True, kw_only=True):
    """The hardware and software of a run: timings mean nothing without it. What could not be read is None.

    `cpu_cores` are physical, `cpu_threads` those that the process may use, `memory` is in bytes; `versions` are of the
    packages that draw and read.
    """

    platform: str | None = None
    python: str | None = None
    cpu: str | None = None
    cpu_cores: Whole | None = None
    cpu_threads: Whole | None = None
    memory: Whole | None = None
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    cuda: str | None = None
    cudnn: Whole | None = None


class Machine(Record, frozen=True, kw_only=True):
    """A machine other than the manifest's that drew images of a run; rows name it by its digest (`Place.machine`)."""

    digest: str
    environment: Environment
