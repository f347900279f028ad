"""The gate's policy: what is compared, by how much it may fall, how sure the team wants to be. A TOML file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite.datafiles import data_dir
from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_file
from evalsuite.gate.metrics import METRICS, UNSCORED
from evalsuite.records import Record, digest
from evalsuite.stats.power import carried_margin, look_level, prompts_that_carry
from evalsuite.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
DIMENSIONS = ("language", "suite", "category", "length")
Average = Literal["macro", "micro"]
Claim = Literal["this suite", "prompts like these"]
BlankImages = Literal["incomplete", "fail", "count"]


class PolicyError(EvalsuiteError):
    """A policy that cannot be used; the message names the file, the field and what it takes."""


class GateRule(Record, frozen=True, kw_only=True):
    """One gate on accuracy: the slice of the prompts, and the loss δ that is still acceptable there.

    `slice` is `all`, `language=zh`, `suite=ui-en`, `category=menu`, `length=long`, or `language=*` for a gate
    on each language that the run has. `metric` and `average` are the policy's unless named. `anchor_margin` is
    the margin against the anchor, by default `margin`. `min_accuracy` is a floor: the candidate's own rate must surely
    be above it, whatever the baseline's. `prompts` is how many the slice holds in the suite that the policy is for:
    where they can hardly carry the margin, loading the policy says so. `metric` may be `sound_glyph_rate`, which needs
    glyphs that a person marked in both runs (docs/glyphs.md), or `content_similarity` or `content_share`, which look at
    the pictures beside their text (docs/content.md).
    """

    slice: str = "all"
    margin: float
    metric: str | None = None
    average: Average | None = None
    anchor_margin: float | None = None
    min_accuracy: float | None = None
    prompts: int | None = None


class Sequential(Record, frozen=True, kw_only=True):
    """What a verdict while drawing is to be about (`gate.sequential`).

    `this suite`: the mean loss of the complete run, its prompts and its seeds; no assumption at all, and the fewest
    images. `prompts like these`: all prompts there could be, of which the suite's are taken for independent draws.
    """

    claim: Claim = "prompts like these"


class Extension(Record, frozen=True, kw_only=True):
    """The one extension allowed: the samples per prompt of the second and last look."""

    samples: int


class SpeedRule(Record, frozen=True, kw_only=True):
    """Greatest ratios candidate / baseline that are acceptable; None is not gated.

    `p50` and `p90` are those of the seconds of warm images, `memory` the peak bytes an image takes. Latency counts
    only for runs drawn in turns by `--interleave`; otherwise it is shown as advice. Memory counts on the same hardware
    and settings. With `enforce` at `never` neither does. `same-hardware` means the same as `interleaved`: it once let
    the latencies of two sessions count, which nothing can tell from their drift.
    """

    p50: float | None = None
    p90: float | None = None
    memory: float | None = None
    enforce: Literal["interleaved", "same-hardware", "never"] = "interleaved"


class Policy(Record, frozen=True, kw_only=True):
    """A gate's policy.

    `metric` and `average` are the primary metric; `macro` averages over prompts, `micro` divides sums.
    `alpha` is the one-sided level of the whole decision, both looks together. `samples` are the images a
    prompt that the gate asks for. `on_inconclusive` says what an undecided gate does: `block` the checkpoint
    (exit code 11), or `warn` and let it ship (exit code 0, the verdict stays INCONCLUSIVE). `blank_images` says what
    images of one even colour are: drawings that failed, so that the run is INCOMPLETE; drawings that failed and with
    which a candidate FAILs, as with values that are not finite; or the model's own answer, which counts as wholly
    wrong and is gated like any other.
    """

    format: int
    name: str
    description: str = ""
    metric: str = "character_accuracy"
    average: Average = "macro"
    alpha: float = 0.05
    samples: int = 4
    extension: Extension | None = None
    on_inconclusive: Literal["block", "warn"] = "block"
    blank_images: BlankImages = "incomplete"
    gates: tuple[GateRule, ...] = ()
    speed: SpeedRule = SpeedRule()
    sequential: Sequential = Sequential()

    @property
    def digest(self) -> str:
        """Digest of all that decides; the description is left out."""
        return digest(msgspec.structs.replace(self, description=""))

    @property
    def level(self) -> float:
        """The level of a single look: α, or less where an extension gives a second chance to err."""
        if self.extension is None:
            return self.alpha
        return look_level(self.alpha, self.samples / self.extension.samples)

    @property
    def notes(self) -> tuple[str, ...]:
        """The gates whose margin the prompts that the policy is written for can hardly carry, in words."""
        return self.too_few({rule.slice: rule.prompts for rule in self.gates if rule.prompts is not None})

    def too_few(self, prompts: Mapping[str, int]) -> tuple[str, ...]:
        """The gates whose margin so many prompts by slice can hardly carry, in words."""
        found = []
        for rule in self.gates:
            count = prompts.get(rule.slice)
            wanted = prompts_that_carry(rule.margin, self.level)
            if count is not None and count < wanted:
                least = math.ceil(1e3 * carried_margin(count, self.level)) / 1e3
                found.append(
                    f"{rule.slice}: {count} prompts can hardly carry a margin of {rule.margin:g}; an equal checkpoint "
                    f"would often end undecided. {wanted} prompts are wanted, or a margin of {least:g}"
                )
        return tuple(found)

    def look(self, samples: int) -> int | None:
        """1 or 2 for runs of so many samples per prompt, None where the policy has no look at that number."""
        if samples == self.samples:
            return 1
        return 2 if self.extension is not None and samples == self.extension.samples else None


def refuse_unscored(policy: Policy, why: str) -> None:
    """Refuse a policy with a gate that rests on no score (`metrics.UNSCORED`) where only scores are to be had.

    Raises:
        PolicyError: naming the gate.
    """
    for rule in policy.gates:
        if rule.metric in UNSCORED:
            raise PolicyError(f"policy {policy.name}: gates {rule.metric}, {why}; use another policy")


def load_policy(name: str | Path) -> Policy:
    """The policy of a name that ships (`default`, `quick`, …) or of a TOML file.

    Raises:
        PolicyError: There is none, it is empty, or a field is wrong.
    """
    path = Path(name)
    shipped = data_dir() / "gates"
    if re.fullmatch(r"[A-Za-z0-9-]+", str(name)) and not path.is_file():
        path = shipped / f"{name}.toml"
        if not path.is_file():
            names = sorted(each.stem for each in shipped.glob("*.toml"))
            raise PolicyError(
                f"--policy {name}: no policy has this name: {did_you_mean(str(name), names)}; or name a TOML file"
            )
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise PolicyError(f"{path}: no such policy file") from None
    if not content.strip():
        raise PolicyError(f"{path}: the policy is empty; {shipped / 'default.toml'} is one to start from")
    try:
        policy = msgspec.toml.decode(content.removeprefix(b"\xef\xbb\xbf"), type=Policy)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path}: not a gate policy: {error}") from error
    for problem in _problems(policy):
        raise PolicyError(f"{path}: {problem}")
    return policy


def _problems(policy: Policy) -> Iterable[str]:
    if policy.format != FORMAT:
        yield f"format = {policy.format}: this evalsuite reads format {FORMAT}"
    if not policy.gates:
        yield "names no gate, so it would pass anything; add [[gates]] with a slice and a margin"
    if not 0 < policy.alpha < 0.5:
        yield f"alpha = {policy.alpha}: a one-sided level above 0 and below 0.5 is needed, usually 0.05"
    if policy.samples < 1:
        yield f"samples = {policy.samples}: at least one image per prompt is needed"
    if policy.extension is not None and policy.extension.samples <= policy.samples:
        yield f"extension.samples = {policy.extension.samples}: more than samples = {policy.samples} are needed"
    seen = set()
    for place, rule in enumerate(policy.gates, start=1):
        yield from (f"gate {place}: {problem}" for problem in _rule_problems(rule, rule.metric or policy.metric))
        key = (rule.slice, rule.metric or policy.metric, rule.average or policy.average)
        if key in seen:
            yield f"gate {place}: {rule.slice} is gated twice by the same metric"
        seen.add(key)
    for name in ("p50", "p90", "memory"):
        limit = getattr(policy.speed, name)
        if limit is not None and not 0 < limit < 100:
            yield f"speed.{name} = {limit}: a ratio candidate / baseline is needed, e.g. 1.1"


def _rule_problems(rule: GateRule, metric: str) -> Iterable[str]:
    for name in ("margin", "anchor_margin"):
        margin = getattr(rule, name)
        if margin is not None and not 0 < margin < 0.5:
            yield f"{name} = {margin}: a loss above 0 and below 0.5 is needed, e.g. 0.02 for two points of a hundred"
    if rule.min_accuracy is not None and not 0 < rule.min_accuracy < 1:
        yield f"min_accuracy = {rule.min_accuracy}: an accuracy above 0 and below 1 is needed, e.g. 0.5"
    if rule.prompts is not None and rule.prompts < 1:
        yield f"prompts = {rule.prompts}: at least one prompt is needed"
    if metric in UNSCORED:
        if rule.metric is None:
            yield f"metric = {metric!r}: for single gates only; name it in their [[gates]], and another for the policy"
        if rule.average == "micro":
            yield f"average = 'micro': {metric} is a mean over prompts; write macro"
        if rule.min_accuracy is not None:
            yield f"min_accuracy: {metric} has no floor; leave it out"
    elif metric not in METRICS:
        hint = did_you_mean(metric, sorted([*METRICS, *UNSCORED]))
        yield f"metric = {metric!r}: it must lie between 0 and 1 for every prompt; {hint}"
    dimension, equals, value = rule.slice.partition("=")
    if rule.slice != "all" and not (dimension in DIMENSIONS and equals and value):
        yield f"slice = {rule.slice!r}: write all, or one of {', '.join(DIMENSIONS)} with a value, e.g. language=zh"
