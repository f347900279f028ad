"""What both trainings share: Muon and AdamW side by side, the learning rate's course, averaged weights, clocks."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024), with updates scaled to AdamW's root mean square (Liu et al., 2025).

    The same update as `torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`, which a test holds it to. That one goes
    matrix by matrix; here matrices of one shape go through the Newton-Schulz iteration as one stack, an eighth of the
    kernel launches, which are what the training of so small a model waits for.
    """

    def __init__(self, matrices: list[Any], lr: float, *, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Update all matrices that have a gradient."""
        if closure is not None:
            raise ValueError("this optimiser takes no closure")
        for group in self.param_groups:
            shapes: dict[Any, list[Any]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes.setdefault(matrix.shape, []).append(matrix)
            for (rows, columns), matrices in shapes.items():
                for matrix in matrices:
                    if "momentum_buffer" not in self.state[matrix]:
                        self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
                gradients = [matrix.grad for matrix in matrices]
                buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
                torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
                updates = orthogonal(torch.lerp(torch.stack(gradients), torch.stack(buffers), group["momentum"]))
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                size = 0.2 * math.sqrt(max(rows, columns)) * group["lr"]
                torch._foreach_add_(matrices, list(updates.to(matrices[0].dtype).unbind()), alpha=-size)


def orthogonal(matrices: Any, steps: int = 5, eps: float = 1e-7) -> Any:
    """The nearest semi-orthogonal matrices, roughly: the quintic Newton-Schulz iteration in bfloat16, on a stack."""
    values = matrices.bfloat16()
    tall = values.shape[1] > values.shape[2]
    values = values.mT if tall else values
    values = values / values.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = values @ values.mT
        values = 3.4445 * values + (-4.7750 * gram + 2.0315 * gram @ gram) @ values
    return values.mT if tall else values


class Optimiser:
    """Muon for the matrices of the blocks, AdamW for all else; `lr` is the peak for both."""

    def __init__(self, blocks: Iterable[Any], others: Iterable[Any], lr: float) -> None:
        block_parameters = [parameter for block in blocks for parameter in block.parameters()]
        matrices = [parameter for parameter in block_parameters if parameter.ndim == 2]
        rest = [*(parameter for parameter in block_parameters if parameter.ndim != 2), *others]
        self.parameters = [*matrices, *rest]
        self.lr = lr
        self._parts: list[Any] = [torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0)]
        if matrices:
            self._parts.append(Muon(matrices, lr))

    def step(self, factor: float) -> None:
        """Clip the gradients to norm 1, step with `factor` times the peak learning rate, and clear them."""
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = self.lr * factor
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[Any]:
        """For resuming."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, state: list[Any]) -> None:
        """Continue from `state_dict`."""
        for part, saved in zip(self._parts, state, strict=True):
            part.load_state_dict(saved)


def course(progress: float, *, warm_up: float = 0.02, last: float = 0.05) -> float:
    """Factor on the peak learning rate at `progress` in [0, 1]: linear rise, flat to the half, cosine to `last`."""
    if progress < warm_up:
        return max(progress, 1e-3) / warm_up
    fall = min(1.0, max(0.0, progress - 0.5) / 0.5)
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * fall))


class Average:
    """Exponential moving average of a module's parameters (decay rises to `decay` as steps go by)."""

    def __init__(self, module: Any, decay: float = 0.998) -> None:
        self.values = [parameter.detach().float().clone() for parameter in module.parameters()]
        self._module, self._decay, self._steps = module, decay, 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the module's present parameters."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self.values, [p.detach().float() for p in self._module.parameters()], 1 - decay)

    def restore(self, state: dict[str, Any], steps: int) -> None:
        """Continue from `state_dict` of an average that had taken in `steps` updates."""
        self._steps = steps
        for value, (name, _) in zip(self.values, self._module.named_parameters(), strict=True):
            value.copy_(state[name])

    def state_dict(self) -> dict[str, Any]:
        """The averaged parameters by name."""
        return {name: value for (name, _), value in zip(self._module.named_parameters(), self.values, strict=True)}


class Clock:
    """Progress of a training that ends after `steps` steps or `seconds` seconds, whichever is first."""

    def __init__(self, steps: int, seconds: float = math.inf) -> None:
        self.steps, self.seconds, self.step = steps, seconds, 0
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def progress(self) -> float:
        """Done share in [0, 1]."""
        return min(1.0, max(self.step / self.steps, self.elapsed / self.seconds))
