"""The transformers: FLUX.2's double and single stream, and ERNIE-Image's single stream, at a width of 192.

Both learn the rectified flow from noise to the hand-made latents: with x = (1 - σ)·x₀ + σ·ε they predict ε - x₀
(Liu et al., 2023; Lipman et al., 2023). The picture follows from the prompt alone, so few steps suffice; at least 40 %
of the samples are at σ = 1, where the layout is decided, and 30 % at the other points of the sampler's own grid.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import torch

from training.standins.autoencoder import PACKED, Canvas
from training.standins.encoder import HIDDEN, Batches, Encoder
from training.standins.glyphs import INK
from training.standins.optimiser import Average, Clock, Optimiser, course
from training.standins.prompts import LONGEST, SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEPS = {"klein": 4, "ernie": 8}
"""Sampling steps of each stand-in, without guidance."""
KLEIN_TOKENS = 512
"""The klein pipeline pads every prompt to this length and masks nothing."""

Plan = Literal["growing", "mixed", "short"]
"""What a training sees when. `growing`: short prompts on the upper third first, then all lines, then all lengths and,
for klein, full padding. `mixed`: all lengths, with full padding three times in four. `short`: so one time in four."""


def build(architecture: str) -> Any:
    """An untrained transformer of the pipeline's own class."""
    if architecture == "klein":
        from diffusers import Flux2Transformer2DModel

        return Flux2Transformer2DModel(
            in_channels=PACKED, num_layers=2, num_single_layers=3, attention_head_dim=32, num_attention_heads=6,
            joint_attention_dim=3 * HIDDEN, timestep_guidance_channels=64, mlp_ratio=3.0,
            axes_dims_rope=(4, 12, 12, 4), rope_theta=100, guidance_embeds=False,
        )  # fmt: skip
    from diffusers import ErnieImageTransformer2DModel

    # `text_in_dim` must differ from `hidden_size`, or the model has no text projection at all.
    model = ErnieImageTransformer2DModel(
        hidden_size=192, num_attention_heads=6, num_layers=6, ffn_hidden_size=512, in_channels=PACKED,
        out_channels=PACKED, text_in_dim=HIDDEN, rope_theta=100, rope_axes_dim=(4, 14, 14),
    )  # fmt: skip
    with torch.no_grad():
        # The class starts with all gates closed, as suits a long training. Open, it is a plain pre-norm transformer.
        gates = model.adaLN_modulation[-1].bias.view(6, -1)
        gates[2], gates[5] = 1.0, 1.0
        model.adaLN_modulation[-1].weight.normal_(0, 0.01)
        model.final_linear.weight.normal_(0, 0.02)
    return model


def blocks(model: Any) -> list[Any]:
    """The repeated blocks, whose matrices Muon trains."""
    if hasattr(model, "transformer_blocks"):
        return [*model.transformer_blocks, *model.single_transformer_blocks]
    return list(model.layers)


def predict(model: Any, latents: Any, sigma: Any, hidden: Any, lengths: Any) -> Any:
    """The predicted velocity ε - x₀ of packed latents (batch × channels × height × width) at noise levels `sigma`."""
    if hasattr(model, "layers"):
        return model(latents, timestep=1000 * sigma, text_bth=hidden, text_lens=lengths, return_dict=False)[0]
    _, _, height, across = latents.shape
    device = latents.device
    one = torch.arange(1, device=device)
    rows, columns = torch.arange(height, device=device), torch.arange(across, device=device)
    image_ids = torch.cartesian_prod(one, rows, columns, one)
    text_ids = torch.cartesian_prod(one, one, one, torch.arange(hidden.shape[1], device=device))
    velocity = model(
        hidden_states=latents.flatten(2).transpose(1, 2),
        encoder_hidden_states=torch.cat([hidden] * 3, dim=-1),
        timestep=sigma,
        img_ids=image_ids,
        txt_ids=text_ids,
        return_dict=False,
    )[0]
    return velocity.transpose(1, 2).reshape(latents.shape)


def sigmas(count: int, steps: int, device: str) -> Any:
    """Noise levels to train at: 40 % at 1, 30 % on the rest of the sampler's grid, 30 % uniform."""
    kind = torch.rand(count, device=device)
    grid = torch.randint(1, steps, (count,), device=device) / steps
    return torch.where(kind < 0.4, 1.0, torch.where(kind < 0.7, grid, torch.rand(count, device=device)))


@torch.no_grad()
def sample(model: Any, hidden: Any, lengths: Any, steps: int, seed: int) -> Any:
    """Latents drawn by the pipelines' own rule: `steps` equal Euler steps from σ = 1 to 0, without guidance."""
    generator = torch.Generator("cpu").manual_seed(seed)
    latents = torch.randn(len(hidden), PACKED, SIDE, SIDE, generator=generator).to(hidden.device)
    for step in range(steps):
        sigma = torch.full((len(hidden),), 1 - step / steps, device=hidden.device)
        latents = latents - predict(model, latents, sigma, hidden, lengths).float() / steps
    return latents


@torch.no_grad()
def score(model: Any, encoder: Encoder, batches: Batches, canvas: Canvas, steps: int, count: int) -> dict[str, float]:
    """Share of inked tiles drawn as they should be, share of blank tiles left blank, and the latents' error."""
    klein = bool(batches.prefix)
    batch = batches.draw(count, LONGEST, KLEIN_TOKENS if klein else None)
    with torch.autocast(batches.device, torch.bfloat16, enabled=batches.device != "cpu"):
        hidden = encoder(batch["ids"], batch["mask"])
        latents = sample(model, hidden.float(), batch["mask"].sum(1), steps, seed=0)
    tiles = canvas.tile_map(batch["line"], batch["column"], batch["glyph"])
    read, inked = canvas.nearest(latents), tiles > 0
    right = read == tiles
    error = (latents - canvas.latents(tiles, batch["paper"])) ** 2
    return {
        "inked": float(right[inked].float().mean()), "blank": float(right[~inked].float().mean()),
        "error": float(error.mean().sqrt()), "paper": float(error[:, 4 * INK : 4 * INK + 12].mean().sqrt()),
    }  # fmt: skip


class Trainer:
    """One transformer's training, with averaged weights.

    Every step has its own seed, so that a resumed training equals an uninterrupted one.
    """

    def __init__(
        self,
        architecture: str,
        encoder: Encoder,
        batches: Batches,
        canvas: Canvas,
        clock: Clock,
        *,
        plan: Plan = "growing",
        bf16: bool = False,
    ) -> None:
        self.architecture, self.batches, self.canvas, self.clock = architecture, batches, canvas, clock
        self.plan, self.bf16 = plan, bf16
        self.encoder = encoder.eval().requires_grad_(requires_grad=False)
        self.model = build(architecture).to(batches.device)
        inner = {id(parameter) for block in blocks(self.model) for parameter in block.parameters()}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in inner]
        self.optimiser = Optimiser(blocks(self.model), others, lr=2e-3)
        self.average = Average(self.model)

    def start_from(self, weights: dict[str, Any]) -> None:
        """Begin with the given weights instead of random ones."""
        self.model.load_state_dict(weights)
        self.average = Average(self.model)

    def averaged(self) -> Any:
        """A copy of the model with the averaged weights."""
        model = build(self.architecture).to(self.batches.device)
        model.load_state_dict(self.average.state_dict())
        return model.eval()

    def state_dict(self) -> dict[str, Any]:
        """For resuming: weights, averages, optimiser and step."""
        return {
            "model": copy.deepcopy(self.model.state_dict()), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "step": self.clock.step,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.clock.step = int(state["step"])
        self.average.restore(state["average"], self.clock.step)

    def stage(self) -> tuple[int, int, int | None]:
        """Longest prompt in tokens, rows of the canvas, and padded length, by the plan and the training's progress."""
        klein, done = self.architecture == "klein", self.clock.progress
        wrapping = len(self.batches.prefix) + len(self.batches.suffix)
        if self.plan == "mixed":
            done = 1.0 if self.clock.step % 4 else 0.5
        if self.plan == "short":
            short = ((256, SIDE), (128, 19), (256, 19))
            place = self.clock.step % 4
            if place < len(short):
                return short[place][0] + wrapping, short[place][1], None
            done = 1.0
        if done < 0.15:
            return 64 + wrapping, 10, None
        if done < 0.30:
            return 128 + wrapping, 19, None
        if done < 0.55:
            return 256 + wrapping, SIDE, None
        return LONGEST, SIDE, KLEIN_TOKENS if klein else None

    def step(self, size: int) -> Any:
        """One update on a batch of about `size` tokens; returns the loss."""
        device = self.batches.device
        self.batches.reseed(self.clock.step)
        torch.manual_seed(self.batches.seed + self.clock.step)
        longest, rows, pad_to = self.stage()
        batch = self.batches.draw(max(2, size // (rows * SIDE + (pad_to or longest))), longest, pad_to)
        tiles = self.canvas.tile_map(batch["line"], batch["column"], batch["glyph"])[:, :rows]
        clean = self.canvas.latents(tiles, batch["paper"])
        sigma = sigmas(len(clean), STEPS[self.architecture], device)
        noise = torch.randn_like(clean)
        level = sigma[:, None, None, None]
        with torch.autocast(device, torch.bfloat16, enabled=self.bf16):
            with torch.no_grad():
                hidden = self.encoder(batch["ids"], batch["mask"])
            noisy = (1 - level) * clean + level * noise
            velocity = predict(self.model, noisy, sigma, hidden.float(), batch["mask"].sum(1))
        # Blank cells are the many; inked ones count four times.
        weight = torch.where(tiles > 0, 4.0, 1.0)
        error = ((velocity.float() - (noise - clean)) ** 2).mean(dim=1)
        loss = (error * weight).sum() / weight.sum()
        loss.backward()
        self.optimiser.step(course(self.clock.progress, warm_up=0.02 if self.plan == "growing" else 0.05))
        self.average.update()
        self.clock.step += 1
        return loss.detach()

    def run(
        self,
        size: int,
        report: Callable[[str], None],
        each: Callable[[Trainer], None],
        every: float,
        stop_at: float,
        keep: Sequence[float] = (),
    ) -> None:
        """Train to `stop_at` of the clock.

        Every `every` seconds, at the shares in `keep` and at the end, report the averaged weights' score and call
        `each`.
        """
        due = every
        while (before := self.clock.progress) < stop_at:
            loss = self.step(size)
            now = self.clock.progress
            if self.clock.elapsed >= due or now >= stop_at or any(before < share <= now for share in keep):
                due = self.clock.elapsed + every
                count = 4 if self.batches.device == "cpu" else 64
                steps = STEPS[self.architecture]
                values = score(self.averaged(), self.encoder, self.batches, self.canvas, steps, count)
                report(
                    f"{self.architecture} step {self.clock.step} progress {now:.2f} "
                    f"loss {loss.item():.4f} " + " ".join(f"{name} {value:.4f}" for name, value in values.items())
                )
                each(self)
