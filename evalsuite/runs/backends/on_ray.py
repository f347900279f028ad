"""Ray: actors draw and read, on this machine or on a cluster; the process that holds the run folder alone writes.

Images travel as bytes through Ray's object store, so that no machine but the driver's needs the run folder. Every
machine needs evalsuite in the same version, the checkpoint under the same path, and the OCR weights; each actor proves
that it has the very same before it draws or reads. What a lost actor had is dealt again (`dealing`).
"""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evalsuite import hardware
from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import PlaceableModel
from evalsuite.ocr.base import GpuEngine
from evalsuite.ocr.many import ManyReader
from evalsuite.runs.backends.actors import DrawingActor, how_lost
from evalsuite.runs.backends.dealing import Deal, given_up
from evalsuite.runs.backends.names import gpu_count, parse_devices
from evalsuite.runs.backends.ray_reading import RayPool
from evalsuite.runs.drawn import Drawn
from evalsuite.runs.machines import machine_of, machine_rows, placed
from evalsuite.runs.reading import ReadingPool, default_workers
from evalsuite.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from evalsuite.models.base import ImageModel
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Environment, Request
    from evalsuite.runs.reading import OcrPool
    from evalsuite.runs.store import RunStore

OBJECT_STORE_BYTES = 256 * 2**20
"""Shared memory of an embedded Ray: a few images a worker are under way, each of a few megabytes."""


class _Actor:
    """An actor that draws, as the driver knows it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.ready = False
        self.machine: str | None = None


class OnRay:
    """Draws with one actor for each GPU of the cluster, or with CPU actors, and reads with CPU actors.

    Args:
        devices: None or `all` for the GPUs; `cpu:2` for two CPU actors of one core each.
        address: Of a cluster: `auto` for the one that this machine is part of, or `HOST:PORT`; None starts one here.
        find_engine: Resolves the run's OCR engine, on any machine.

    Raises:
        EvalsuiteError: Ray is not installed, or single GPUs are named.
    """

    def __init__(self, devices: str | None, address: str | None, find_engine: Callable[[], OcrEngine]) -> None:
        if importlib.util.find_spec("ray") is None:
            raise EvalsuiteError("--backend ray: Ray is not installed; pip install 'evalsuite[ray]'")
        if address is not None and address.startswith("ray://"):
            raise EvalsuiteError(
                f"--address {address}: Ray's client is not supported; run the command on a machine of the cluster "
                "with --address auto"
            )
        self._cpu_actors = 0
        if devices is not None and devices.strip().lower() != "all":
            if "cpu" not in devices.lower():
                raise EvalsuiteError(f"--devices {devices}: Ray itself deals the GPUs; write all, or cpu:2")
            self._cpu_actors = len(parse_devices(devices))
        self._address, self._find_engine = address, find_engine
        self._count = self._readers = 0
        self._started = False

    @property
    def _device(self) -> str:
        return "cpu" if self._cpu_actors else "cuda:0"

    def __enter__(self) -> Self:
        """Connect to the cluster, or start one on this machine.

        Raises:
            EvalsuiteError: It does not answer, or has no GPU, or too few CPUs.
        """
        import ray

        if not ray.is_initialized():
            self._connect()
            self._started = True
        resources = ray.cluster_resources()
        self._count = self._cpu_actors or int(resources.get("GPU", 0))
        if not self._count:
            self._leave()
            raise EvalsuiteError(
                "--backend ray: the cluster has no GPU; --devices cpu:2 draws with two actors on its CPUs"
            )
        return self

    def _connect(self) -> None:
        import ray

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray gives its processes a low priority: on a busy machine they load for minutes, and timings differ.
        os.environ.setdefault("RAY_worker_niceness", "0")
        # Ray ends the driver at once at SIGTERM; here it does what the command line, or the script, has made of it.
        in_main = threading.current_thread() is threading.main_thread()
        on_termination = signal.getsignal(signal.SIGTERM) if in_main else None
        try:
            if self._address is not None:
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
            else:
                # Beside each core that draws, at least one reads. A GPU's actor needs a core only now and then.
                cores, drawing = hardware.usable_threads() or 1, self._cpu_actors
                ray.init(
                    address="local",  # also where this machine is part of a cluster
                    num_cpus=max(cores, drawing + 1) if drawing else cores + gpu_count(),
                    object_store_memory=OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = f"--address {self._address}" if self._address else "--backend ray"
            raise EvalsuiteError(f"{where}: Ray cannot be reached or started: {error}") from error
        finally:
            if on_termination is not None:
                signal.signal(signal.SIGTERM, on_termination)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        import ray

        if self._started:
            ray.shutdown()
            self._started = False

    def takes(self, model: ImageModel) -> bool:
        """Whether actors draw with this model."""
        return isinstance(model, PlaceableModel) and model.placed(self._device) is not None

    def uses_cpu(self, model: ImageModel) -> bool:
        """True for CPU actors."""
        del model
        return bool(self._cpu_actors)

    def pool(self, engine: OcrEngine, workers: int | None) -> OcrPool:
        """Actors that read, one for each core that does not draw.

        A reader of many images at a time reads here, and so does one that computes on a GPU.

        Raises:
            EvalsuiteError: The cluster has no core for them.
        """
        import ray

        if isinstance(engine, ManyReader | GpuEngine):
            return ReadingPool(engine, default_workers(engine) if workers is None else workers)
        free = int(ray.cluster_resources().get("CPU", 0)) - self._count
        if free < 1:
            raise EvalsuiteError(
                f"--backend ray: {self._count} actors that draw leave no CPU of the cluster to read; add one"
            )
        return RayPool(engine, self._find_engine, min(free, workers or free))

    def draw(self, model: ImageModel, requests: Sequence[Request], store: RunStore) -> Iterator[Drawn]:
        """Draw the requests; see `Backend.draw`."""
        import ray

        deal = Deal(requests, batch=int(model.spec.runtime.get("batch", 1)), workers=self._count)
        # What goes to every actor is stored once.
        with_accelerator = any(spec.kind == "diffusion" for spec in store.manifest.models)
        shared = ray.put((model, dict(store.prompts), with_accelerator))
        crew: list[_Actor] = []
        pending: dict[Any, _Actor] = {}
        try:
            while not deal.finished:
                starting = sum(not actor.ready for actor in crew)
                while len(crew) < self._count and deal.waiting > starting:
                    actor = self._start(len(crew))
                    crew.append(actor)
                    pending[actor.handle.load.remote(shared)] = actor
                    starting += 1
                for actor in crew:
                    while actor.ready and (batch := deal.take(actor)):
                        pending[actor.handle.draw.remote(batch)] = actor
                for done in ray.wait(list(pending), num_returns=1)[0]:
                    yield from self._receive(done, pending, crew, deal, store)
        finally:
            for actor in crew:
                ray.kill(actor.handle)

    def _start(self, number: int) -> _Actor:
        import ray

        gpus = {} if self._cpu_actors else {"num_gpus": 1}
        # Two calls at a time: while one draws, the other encodes.
        remote = ray.remote(num_cpus=1, max_concurrency=2, **gpus)(DrawingActor)
        return _Actor(remote.remote(self._device, number, __version__, str(Path.cwd())))

    def _receive(
        self, done: Any, pending: dict[Any, _Actor], crew: list[_Actor], deal: Deal[Request], store: RunStore
    ) -> Iterator[Drawn]:
        """What one call has come to: an actor that is ready, images, or a lost actor."""
        import ray

        actor = pending.pop(done)
        try:
            answer = ray.get(done)
        except ray.exceptions.RayTaskError as error:
            if not (actor.ready and isinstance(error.cause, EvalsuiteError)):
                raise error.cause from None
            how = str(error.cause)  # its device has failed: another actor goes on
        except ray.exceptions.RayError as error:
            how = how_lost(error)
        else:
            if not actor.ready:
                actor.ready = True
                actor.machine = _machine(store, answer)
                return
            for drawn in answer:
                if deal.answer(actor, drawn.row.key):
                    yield Drawn(placed(drawn.row, machine=actor.machine), drawn.content)
            return
        crew.remove(actor)
        for ref in [ref for ref, owner in pending.items() if owner is actor]:
            del pending[ref]
        with suppress(ray.exceptions.RayError):
            ray.kill(actor.handle)
        for request in deal.lose(actor, how, was_ready=actor.ready):
            yield given_up(request, how)


def _machine(store: RunStore, found: Environment) -> str | None:
    """The digest of an actor's machine, put on record where it differs from the manifest's; None where it does not."""
    if not hardware.differences(store.manifest.environment, found):
        return None
    machine, rows = machine_of(found), machine_rows(store.folder)
    if machine not in rows.read():
        with rows.writer() as writer:
            writer.append(machine)
    return machine.digest
