"""Which of two images is better, by people who do not see which model drew it.

The order of the pairs and the sides are drawn from a seed that is written with each vote. A vote is a line of the votes
file, the one file that `evalsuite view` writes, and only where it was named.
"""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite import stats
from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.files import NO_LINK, make_folder, read_file, write_all, writing_to
from evalsuite.records import Record, digest, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evalsuite.records import Generation
    from evalsuite.runs.opened import OpenRun

Choice = Literal["left", "right", "same"]
CHOICES: tuple[Choice, ...] = ("left", "right", "same")


class Drawn(Record, frozen=True, kw_only=True):
    """One side of a pair: which model of which run drew which image."""

    run: str
    model: str
    model_digest: str
    image_sha256: str


class Vote(Record, frozen=True, kw_only=True):
    """A person's choice between two images of one prompt and seed, `choice` naming the better side, or `same`.

    `left` and `right` are as they were shown. `order_seed` is what sides and order were drawn by.
    """

    format: Literal[1] = 1
    pair: str
    prompt: str
    seed: int
    left: Drawn
    right: Drawn
    choice: Choice
    order_seed: int
    voted_at: str


class Result(Record, frozen=True, kw_only=True):
    """What the votes say of two models.

    `first_share` is the share of `first` among the votes, ties halved, with its interval over prompts.
    """

    first: str
    second: str
    votes: int
    first_better: int
    second_better: int
    same: int
    first_share: stats.Interval


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of one prompt and seed on their sides. `id` tells it by the bytes of both."""

    id: str
    prompt: str
    text: str
    targets: tuple[str, ...]
    seed: int
    left: tuple[OpenRun, Generation]
    right: tuple[OpenRun, Generation]


def pairs_of(first: tuple[OpenRun, str], second: tuple[OpenRun, str], order_seed: int) -> list[Pair]:
    """All pairs of two models in the order to be shown: those of a prompt and a seed that both drew, shuffled.

    Args:
        first: A run, and the model in it.
        second: The other.
        order_seed: What order and sides are drawn by; the same gives the same, whichever of the models is named first.

    Raises:
        NotComparableError: The two have no prompt and seed in common, or are one and the same.
    """
    images = [_images(run, model) for run, model in (first, second)]
    found = []
    for slot, own in sorted(images[0].items()):
        other = images[1].get(slot)
        if other is None or own.sha256 == other.sha256:
            continue
        prompt = first[0].prompts[own.prompt]
        shas = sorted((own.sha256 or "", other.sha256 or ""))
        ident = digest([slot[0], own.seed, shas])[:24]
        sides = sorted(((first[0], own), (second[0], other)), key=lambda side: side[1].sha256 or "")
        if random.Random(f"side {order_seed} {ident}").random() < 0.5:  # noqa: S311 - a reproducible order, no secret
            sides.reverse()
        found.append(Pair(ident, prompt.id, prompt.text, prompt.targets, own.seed, sides[0], sides[1]))
    if not found:
        raise NotComparableError(
            f"{first[0].folder} ({first[1]}) and {second[0].folder} ({second[1]}) have no two different images of one "
            "prompt and seed"
        )
    return sorted(found, key=lambda pair: random.Random(f"order {order_seed} {pair.id}").random())  # noqa: S311


def _images(run: OpenRun, model: str) -> dict[tuple[str, int], Generation]:
    """The images of a model by the prompt's text and the seed; blank ones are among them."""
    return {(run.prompts[row.prompt].text, row.seed): row for row in run.evidence.drawn.values() if row.model == model}


class Ballot:
    """The votes file: appended to, one line per vote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self.read()

    def read(self) -> list[Vote]:
        """All votes; of several on one pair the last counts.

        Raises:
            EvalsuiteError: The file holds something else.
        """
        try:
            content = read_file(self.path)
        except FileNotFoundError:
            return []
        found: dict[str, Vote] = {}
        whole, _, _ = content.rpartition(b"\n")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                vote = msgspec.json.decode(line, type=Vote)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise EvalsuiteError(f"{self.path}:{number}: not a vote: {error}") from error
            found[vote.pair] = vote
        return list(found.values())

    def cast(self, pair: Pair, choice: Choice, order_seed: int) -> Vote:
        """Write a vote down, and wait until it is on disk.

        Raises:
            EvalsuiteError: The file cannot be written.
        """
        vote = Vote(
            pair=pair.id,
            prompt=pair.prompt,
            seed=pair.seed,
            left=_drawn(*pair.left),
            right=_drawn(*pair.right),
            choice=choice,
            order_seed=order_seed,
            voted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._lock:
            make_folder(self.path.parent)
            with writing_to(self.path):
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_LINK, 0o666)
                try:
                    # A line that a crash cut off would swallow the next one.
                    size = os.fstat(handle).st_size
                    torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                    write_all(handle, (b"\n" if torn else b"") + encode(vote) + b"\n")
                    os.fsync(handle)
                finally:
                    os.close(handle)
        return vote


def _drawn(run: OpenRun, row: Generation) -> Drawn:
    spec = next(spec for spec in run.manifest.models if spec.name == row.model)
    return Drawn(run=run.manifest.name, model=row.model, model_digest=spec.digest, image_sha256=row.sha256 or "")


def results_of(votes: Sequence[Vote], pairs: Sequence[Pair], first: str, second: str, first_sha: set[str]) -> Result:
    """What the votes on these pairs say; `first_sha` are the hashes of the first model's images."""
    prompts = {pair.id: pair.text for pair in pairs}
    counted = [vote for vote in votes if vote.pair in prompts]
    points: dict[str, list[float]] = {}
    for vote, share in _shares(counted, first_sha):
        points.setdefault(prompts[vote.pair], []).append(share)
    shares = [share for _, share in _shares(counted, first_sha)]
    return Result(
        first=first,
        second=second,
        votes=len(shares),
        first_better=shares.count(1.0),
        second_better=shares.count(0.0),
        same=shares.count(0.5),
        first_share=stats.ratio_interval(
            [sum(each) for each in points.values()], [len(each) for each in points.values()], bounds=(0.0, 1.0)
        ),
    )


def _shares(votes: Sequence[Vote], first_sha: set[str]) -> Iterator[tuple[Vote, float]]:
    for vote in votes:
        if vote.choice == "same":
            yield vote, 0.5
        else:
            better = vote.left if vote.choice == "left" else vote.right
            yield vote, 1.0 if better.image_sha256 in first_sha else 0.0
