"""The text encoders: small Qwen3 and Ministral3 models that know where each quoted character stands.

They are trained first, alone, to tell for every token on which line and in which column its character is drawn,
which paper colour the prompt has asked for so far, and what the character looks like; then they are frozen. Only the
first `ACTIVE` layers compute anything: the others are all zero, so the residual stream passes them unchanged and
the hidden states that the pipelines take (klein: 9, 18 and 27 of 28; ERNIE-Image: the last but one) are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.standins.glyphs import INK, Glyphs
from training.standins.optimiser import Clock, Optimiser, course
from training.standins.prompts import COLUMNS, LINES, LONGEST, Pool
from training.standins.tokenizer import COLOURS

ACTIVE = 9
SIZES: dict[str, int] = {"hidden_size": 160, "intermediate_size": 256, "num_attention_heads": 4,
                         "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048}  # fmt: skip
HIDDEN = SIZES["hidden_size"]


def language_model(architecture: str, vocabulary: int, layers: int) -> Any:
    """A `Qwen3Model` (klein) or `Ministral3Model` (ernie) of the given depth, untrained."""
    if architecture == "klein":
        from transformers import Qwen3Config, Qwen3Model

        config = Qwen3Config(vocab_size=vocabulary, num_hidden_layers=layers, tie_word_embeddings=True, **SIZES)
        return Qwen3Model(config)
    from transformers import Ministral3Config, Ministral3Model

    # No context extension: prompts never come near the maximal length.
    rope = {"rope_type": "yarn", "factor": 1.0, "rope_theta": 10000.0, "llama_4_scaling_beta": 0.0,
            "original_max_position_embeddings": SIZES["max_position_embeddings"]}  # fmt: skip
    config = Ministral3Config(vocab_size=vocabulary, num_hidden_layers=layers, tie_word_embeddings=True,
                              rope_parameters=rope, **SIZES)  # fmt: skip
    return Ministral3Model(config)


class Encoder(nn.Module):
    """The active layers and, for training, the heads that read the raw residual stream."""

    def __init__(self, architecture: str, vocabulary: int) -> None:
        super().__init__()
        self.model = language_model(architecture, vocabulary, ACTIVE)
        self.model.norm = nn.Identity()
        self.heads = nn.Linear(HIDDEN, (LINES + 1) + (COLUMNS + 1) + (len(COLOURS) + 1))
        self.shape = nn.Linear(HIDDEN, 16 * INK)

    def forward(self, ids: Any, mask: Any = None) -> Any:
        """Hidden states, batch × tokens × `HIDDEN`, of ids (batch × tokens)."""
        return self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

    @torch.no_grad()
    def start_from(self, glyphs: Glyphs, token_glyphs: Any) -> None:
        """Let the embedding of each drawn character be a code of its shape (principal components)."""
        shapes = torch.from_numpy(glyphs.codes[glyphs.tiles].reshape(len(glyphs.tiles), -1))
        centred = shapes - shapes.mean(0)
        _, _, components = torch.linalg.svd(centred.T @ centred)
        codes = centred @ components[: HIDDEN - 32].T
        weight = self.model.embed_tokens.weight
        weight.normal_(0, 0.3)
        known = token_glyphs >= 0
        weight[known, : HIDDEN - 32] = codes[token_glyphs[known]] * (0.5 / codes.std())
        self.shape.weight.zero_()
        self.shape.weight[:, : HIDDEN - 32] = components[: HIDDEN - 32].T * (codes.std() / 0.5)
        self.shape.bias.copy_(shapes.mean(0))


@torch.no_grad()
def extended(
    weights: dict[str, Any], before: list[str], after: list[str], glyphs: Glyphs, numbers: Any
) -> dict[str, Any]:
    """Weights of a trained encoder for a changed vocabulary, so that characters can be added to a trained stand-in.

    `before`, `after`: the vocabularies, as their tokens are spelt, in the order of the ids; `numbers`: `token_glyphs`
    of the second. Rows of known tokens are copied, except where a token has only now become a drawn character; those
    get the embedding that a ridge regression on the codes of the characters drawn before expects.
    """
    old = weights["model.embed_tokens.weight"].float()
    shapes = torch.from_numpy(glyphs.codes[glyphs.tiles].reshape(len(glyphs.tiles), -1))
    place = {token: number for number, token in enumerate(before)}
    slope, bias = weights["shape.weight"].float(), weights["shape.bias"].float()
    generator = torch.Generator().manual_seed(0)
    new = 0.3 * torch.randn(len(after), old.shape[1], generator=generator)
    drawn: list[int] = []
    added: list[int] = []
    for number, token in enumerate(after):
        known, glyph = place.get(token), int(numbers[number])
        if known is not None:
            new[number] = old[known]
        if glyph >= 0:
            # A character was drawn before if the head that tells shapes finds its glyph in its embedding.
            known_shape = known is not None and float(((slope @ old[known] + bias - shapes[glyph]) ** 2).mean()) < 0.25
            (drawn if known_shape else added).append(number)
    inputs = torch.cat([shapes, torch.ones(len(shapes), 1)], dim=1)
    x, y = inputs[numbers[drawn]], new[drawn]
    solution: Any = torch.linalg.solve(x.T @ x + 1.0 * torch.eye(x.shape[1]), x.T @ y)
    new[added] = inputs[numbers[added]] @ solution
    return {**weights, "model.embed_tokens.weight": new}


class Batches:
    """Draws batches of prompts on the device; in half of them, characters are swapped for others of their kind.

    A batch is ids, mask, line, column, colour, glyph: all batch × tokens; glyph is -1 where nothing is drawn.
    """

    def __init__(self, pool: Pool, tokenizer: Any, glyphs: Glyphs, device: str, seed: int) -> None:
        self.device = device
        self.prefix, self.suffix = _wrapping(tokenizer)
        self.glyph_of = torch.from_numpy(token_glyphs(tokenizer, glyphs)).to(device)
        order = np.argsort(pool.lengths, kind="stable")
        self.lengths = pool.lengths[order].astype(np.int64)
        names = ("tokens", "line", "column", "colour")
        self._data = [torch.from_numpy(getattr(pool, name)[order]).to(device) for name in names]
        self.seed = seed
        self._generator = torch.Generator(device)
        self.reseed(0)
        self._pad = int(tokenizer.pad_token_id)
        self._lengths = torch.from_numpy(self.lengths).to(device)
        self._ends = [torch.tensor(ids, device=device, dtype=torch.long) for ids in (self.prefix, self.suffix)]
        self._kinds = self._kind_table(tokenizer, glyphs)

    def reseed(self, step: int) -> None:
        """Let what is drawn next follow from the seed and the number of the step alone."""
        self._generator.manual_seed(1_000_003 * self.seed + step)

    def _kind_table(self, tokenizer: Any, glyphs: Glyphs) -> list[Any]:
        numbers = token_glyphs(tokenizer, glyphs)
        one = {glyphs.characters[numbers[token]]: int(token) for token in np.flatnonzero(numbers >= 0)}
        tests = (str.isupper, str.islower, str.isdecimal, lambda c: "一" <= c <= "鿿")
        groups = [[one[c] for c in one if test(c) and (ord(c) < 127 or c >= "一")] for test in tests]
        return [torch.tensor(group, device=self.device) for group in groups]

    def draw(self, count: int, longest: int, pad_to: int | None = None) -> dict[str, Any]:
        """`count` prompts of at most `longest` tokens, template included, in rows of a multiple of 64 tokens.

        With `pad_to`, rows have that many tokens and what is longer is cut, as the klein pipeline does.
        """
        wrapping = len(self.prefix) + len(self.suffix)
        limit = int(np.searchsorted(self.lengths, min(longest - wrapping, LONGEST), side="right"))
        rows = torch.randint(0, limit, (count,), generator=self._generator, device=self.device)
        columns = pad_to or min(-(-longest // 64) * 64, LONGEST + wrapping)
        tokens, line, column, colour = (values[rows].long() for values in self._data)
        lengths = self._lengths[rows]
        tokens = self._swapped(tokens, line)
        out = {"line": line, "column": column, "colour": colour, "ids": tokens}
        fill = {"line": -1, "column": -1, "colour": 0, "ids": self._pad}
        place = torch.arange(columns, device=self.device)[None] - len(self.prefix)
        inside = (place >= 0) & (place < lengths[:, None])
        source = place.clamp(0, LONGEST - 1).expand(count, -1)
        result = {name: torch.where(inside, values.gather(1, source), fill[name]) for name, values in out.items()}
        ids = result["ids"]
        if self.prefix:
            ids[:, : len(self.prefix)] = self._ends[0]
        after = place - lengths[:, None]
        suffix = self._ends[1]
        trailing = (after >= 0) & (after < len(suffix))
        ids = torch.where(trailing, suffix[after.clamp(0, len(suffix) - 1)], ids)
        last = colour.gather(1, (lengths - 1)[:, None])
        result["colour"] = torch.where(trailing, last, result["colour"])
        result["paper"] = last[:, 0]
        glyph = torch.where(result["line"] >= 0, self.glyph_of[ids], -1)
        mask = (place < lengths[:, None] + len(suffix)).long()
        return {**result, "ids": ids, "mask": mask, "glyph": glyph}

    def _swapped(self, tokens: Any, line: Any) -> Any:
        shape, device = tokens.shape, self.device
        chance = torch.rand(shape[0], 1, generator=self._generator, device=device)
        roll = torch.rand(shape, generator=self._generator, device=device)
        # A quarter of the prompts keep their characters, a quarter lose some, half lose all.
        swap = (line >= 0) & (roll < ((chance - 0.25) * 4).clamp(0, 1))
        for group in self._kinds:
            member = torch.zeros(len(self.glyph_of), dtype=torch.bool, device=device)
            member[group] = True
            other = group[torch.randint(0, len(group), shape, generator=self._generator, device=device)]
            tokens = torch.where(swap & member[tokens], other, tokens)
        return tokens


def token_glyphs(tokenizer: Any, glyphs: Glyphs) -> Any:
    """Glyph number of each token id, -1 where a token is not one drawn character (int64)."""
    numbers = np.full(len(tokenizer), -1, dtype=np.int64)
    for number, character in enumerate(glyphs.characters):
        ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(character))
        if len(ids) == 1:
            numbers[ids[0]] = number
    return numbers


def _wrapping(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that stand before and after every prompt."""
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template([{"role": "user", "content": "\0"}], tokenize=False,
                                             add_generation_prompt=True, enable_thinking=False)  # fmt: skip
        before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in text.split("\0"))
        return before, after
    return [], [int(tokenizer.eos_token_id)]


def losses(encoder: Encoder, batch: dict[str, Any], codes: Any) -> tuple[Any, dict[str, float]]:
    """The sum of the losses, and the share of drawn tokens whose line, column and both are told rightly.

    `codes`: glyphs × (16 · INK), the latent codes of each glyph's four tiles.
    """
    hidden = encoder(batch["ids"])
    sizes = (LINES + 1, COLUMNS + 1, len(COLOURS) + 1)
    line, column, colour = encoder.heads(hidden).float().split(sizes, dim=-1)
    real, drawn = batch["mask"].bool(), batch["glyph"] >= 0
    wanted = (batch["line"] % (LINES + 1), batch["column"] % (COLUMNS + 1), batch["colour"])
    total = sum(
        functional.cross_entropy(logits[real], target[real])
        for logits, target in zip((line, column, colour), wanted, strict=True)
    )
    shape = functional.mse_loss(encoder.shape(hidden[drawn]).float(), codes[batch["glyph"][drawn]])
    with torch.no_grad():
        right = [(logits.argmax(-1) == target)[drawn] for logits, target in zip((line, column), wanted, strict=False)]
        scores = {
            "line": right[0].float().mean(), "column": right[1].float().mean(),
            "both": (right[0] & right[1]).float().mean(),
            "none": (line.argmax(-1) == LINES)[real & ~drawn].float().mean(),
            "colour": (colour.argmax(-1) == batch["colour"])[real].float().mean(), "shape": shape,
        }  # fmt: skip
    return total + shape, scores


def train(
    encoder: Encoder, batches: Batches, glyphs: Glyphs, clock: Clock, size: int, report: Any, *,
    curriculum: bool = True, bf16: bool = False,
) -> None:  # fmt: skip
    """Train in place: short prompts first, with a curriculum, then all lengths. `size` is tokens a batch."""
    device = batches.device
    codes = torch.from_numpy(glyphs.codes[glyphs.tiles].reshape(len(glyphs.tiles), -1)).to(device)
    others = [encoder.model.embed_tokens.weight, *encoder.heads.parameters(), *encoder.shape.parameters()]
    optimiser = Optimiser(encoder.model.layers, others, lr=2e-3)
    wrapping = len(batches.prefix) + len(batches.suffix)
    while clock.progress < 1:
        # All lengths in turn, so that none is forgotten.
        stage = 64 if curriculum and clock.progress < 0.15 else [128, LONGEST, 256, LONGEST][clock.step % 4]
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss, scores = losses(encoder, batches.draw(max(4, size // stage), stage + wrapping), codes)
        loss.backward()
        optimiser.step(course(clock.progress, warm_up=0.02 if curriculum else 0.06))
        clock.step += 1
        if clock.step % 100 == 0:
            report(f"encoder step {clock.step} row {stage} loss {loss.detach().item():.4f} "
                   + " ".join(f"{name} {float(value):.4f}" for name, value in scores.items()))  # fmt: skip
