"""The baseline that gates compare with, and the anchor behind it: `baseline.lock`, a file to commit.

The *baseline* moves on with every promotion; the *anchor* stays, so that losses too small for one gate to see
cannot add up unseen. Every entry says which run, who chose it, why and when. A first baseline is never taken
silently: it needs `--bootstrap`.
"""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite.errors import EvalsuiteError, ExitCode, NotComparableError
from evalsuite.files import read_file, write_atomically
from evalsuite.gate.decide import judge, under
from evalsuite.gate.side import side_of
from evalsuite.gate.verdict import Acknowledgement
from evalsuite.records import Record, encode
from evalsuite.runs.opened import open_run

if TYPE_CHECKING:
    from evalsuite.gate.policy import Policy
    from evalsuite.gate.side import Side
    from evalsuite.gate.verdict import Verdict

FORMAT = 2
"""Since format 2 a lock holds the digest of every row file and image of the runs that it names."""
LOCK = Path("baseline.lock")


class BaselineError(EvalsuiteError):
    """The lock is missing, damaged, or does not allow what was asked."""


class NotPromotedError(EvalsuiteError):
    """A run did not pass its gate, so it does not become the baseline."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Pin(Record, frozen=True, kw_only=True):
    """A run that was promoted. `run` is its folder relative to the lock, `digest` that of its model's evidence.

    `files` holds the SHA-256 of the plan, of each row file, and of all images together: it tells what no check of the
    folder alone can, an image replaced together with its rows. `admitted` says how the run came in: by `bootstrap`, or
    by the outcome of its gate under `policy`.
    """

    run: str
    digest: str
    model: str
    model_digest: str
    suites: dict[str, str]
    files: dict[str, str]
    by: str
    reason: str
    at: str
    admitted: Literal["bootstrap", "PASS"]
    policy: str | None = None


class BaselineLock(Record, frozen=True, kw_only=True):
    """The content of `baseline.lock`: the baseline, the anchor, acknowledged regressions, former baselines in order."""

    format: int = FORMAT
    baseline: Pin
    anchor: Pin
    acknowledged: tuple[Acknowledgement, ...] = ()
    history: tuple[Pin, ...] = ()


def read_lock(path: Path = LOCK) -> BaselineLock:
    """The lock.

    Raises:
        BaselineError: It is not there (with the command that makes it), or not what this version wrote.
    """
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise BaselineError(
            f"{path}: there is no baseline yet; look at a run that you trust and promote it: "
            f"evalsuite baseline promote RUN --bootstrap --reason 'first baseline'"
        ) from None
    try:
        version = msgspec.json.decode(content).get("format")
        if version != FORMAT:
            raise BaselineError(
                f"{path}: lock format {version}; this evalsuite reads format {FORMAT}. Promote the baseline anew with "
                "--bootstrap"
            )
        lock = msgspec.json.decode(content, type=BaselineLock)
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, RecursionError) as error:
        raise BaselineError(f"{path}: not a baseline lock: {error}; restore it from version control") from error
    for entry in lock.acknowledged:
        if not (entry.by.strip() and entry.reason.strip() and entry.at.strip()):
            raise BaselineError(
                f"{path}: the acknowledgement of {entry.gate} does not say who accepted it, why and when; "
                "'evalsuite baseline acknowledge' writes one that does"
            )
    return lock


def open_pin(path: Path, pin: Pin) -> Side:
    """The run that a lock's entry names, checked to be the very one.

    Raises:
        NotComparableError: The run's rows or images are not those that were promoted.
        EvalsuiteError: The run is not there or is damaged.
    """
    side = side_of(open_run(path.parent / pin.run), pin.model)
    now = side.run.evidence.fingerprint()
    changed = [name for name in dict.fromkeys([*pin.files, *now]) if pin.files.get(name) != now.get(name)]
    if changed or side.digest != pin.digest:
        raise NotComparableError(
            f"{side.run.folder}: is not the run that {path} names (digest {side.digest[:12]}, promoted was "
            f"{pin.digest[:12]}): its {', '.join(changed) or 'plan'} changed since {pin.at}; restore it, or promote "
            "what you trust with --bootstrap"
        )
    return side


def gate_against_lock(candidate: Side, *, path: Path = LOCK, policy: Policy) -> Verdict:
    """Gate a model of a run against the lock's baseline and anchor.

    Raises:
        EvalsuiteError: There is no lock, or a run that it names cannot be used.
    """
    lock = read_lock(path)
    return judge(
        open_pin(path, lock.baseline),
        candidate,
        policy,
        anchor=open_pin(path, lock.anchor) if lock.anchor.digest != lock.baseline.digest else None,
        acknowledged=lock.acknowledged,
    )


def promote_side(
    side: Side,
    *,
    reason: str,
    policy: Policy,
    path: Path = LOCK,
    bootstrap: bool = False,
    move_anchor: bool = False,
    by: str | None = None,
) -> tuple[BaselineLock, Verdict | None]:
    """Make a model of a run the baseline, if its gate against the present one passes, and write the lock.

    Args:
        side: The model of an opened run.
        reason: Why, for the record.
        policy: Of the gate.
        path: The lock.
        bootstrap: Take the run ungated as baseline and anchor: for the first, and for a new start after a change
            of suite, OCR or scorer.
        move_anchor: Make it the anchor too.
        by: Who; by default `user_name()`.

    Raises:
        NotPromotedError: The gate did not pass; the lock is as it was.
        BaselineError: There is no lock and no `bootstrap`, or no reason was given.
    """
    _need_reason(reason)
    run = side.run.folder
    if side.run.not_whole is not None:
        raise NotPromotedError(f"{run}: a baseline must be complete. {side.run.not_whole}", ExitCode.INCOMPLETE)
    side = under(policy, side)
    if side.missing:
        raise NotPromotedError(
            f"{run}: {len(side.missing)} images are missing, e.g. {side.missing[0].text}; a baseline must be complete",
            ExitCode.INCOMPLETE,
        )
    if bootstrap:
        pin = _pin(path, side, reason, by, "bootstrap", None)
        former = _former(path)
        lock = BaselineLock(baseline=pin, anchor=pin, history=former)
        _write(path, lock)
        return lock, None
    old = read_lock(path)
    verdict = gate_against_lock(side, path=path, policy=policy)
    if verdict.outcome != "PASS":
        raise NotPromotedError(_refusal(run, verdict), ExitCode(verdict.exit_code or ExitCode.INCONCLUSIVE))
    pin = _pin(path, side, reason, by, "PASS", f"{policy.name} {policy.digest[:12]}")
    lock = BaselineLock(
        baseline=pin,
        anchor=pin if move_anchor else old.anchor,
        acknowledged=old.acknowledged,
        history=(*old.history, old.baseline),
    )
    _write(path, lock)
    return lock, verdict


def _former(path: Path) -> tuple[Pin, ...]:
    """The baselines before a new start; those of a lock that this version cannot read are left behind."""
    if not path.exists():
        return ()
    try:
        old = read_lock(path)
    except BaselineError as error:
        if "lock format" in str(error):
            return ()
        raise
    return (*old.history, old.baseline)


def _refusal(run: Path, verdict: Verdict) -> str:
    blocking = [g.name for g in verdict.gates if g.decision != "PASS" and g.acknowledged is None]
    blocking += [s.name for s in verdict.speed if s.decision not in (None, "PASS")]
    text = f"{run}: its gate says {verdict.outcome}" + (f" ({', '.join(blocking)})" if blocking else "")
    if verdict.outcome == "NOT COMPARABLE":
        names = ", ".join(dict.fromkeys(each.what for each in verdict.differences))
        return f"{text}: other {names}; to start anew from this run, promote it with --bootstrap"
    if verdict.outcome == "FAIL":
        return f"{text}; accept a regression by name with 'evalsuite baseline acknowledge GATE --candidate {run}'"
    return f"{text}; see 'evalsuite gate --candidate {run}'"


def acknowledge(
    gate: str, side: Side, *, reason: str, policy: Policy, path: Path = LOCK, by: str | None = None
) -> BaselineLock:
    """Accept that one gate fails for one candidate, by name, and record it in the lock.

    It holds for this model's weights and settings alone, and only for this gate.

    Raises:
        BaselineError: The gate is not failing for this run, is unknown, or no reason was given.
    """
    _need_reason(reason)
    lock = read_lock(path)
    verdict = gate_against_lock(side, path=path, policy=policy)
    failing = [each.name for each in verdict.gates if each.decision == "FAIL"]
    if gate not in failing:
        listed = ", ".join(failing) or "none"
        raise BaselineError(f"{gate}: is no failing gate on accuracy of {side.run.folder}; failing: {listed}")
    entry = Acknowledgement(
        gate=gate,
        model_digest=verdict.candidate.model_digest,
        by=by or user_name(),
        reason=reason,
        at=_now(),
    )
    others = (a for a in lock.acknowledged if (a.gate, a.model_digest) != (entry.gate, entry.model_digest))
    lock = msgspec.structs.replace(lock, acknowledged=(*others, entry))
    _write(path, lock)
    return lock


def user_name() -> str:
    """Who acts: the CI's actor where there is one, else the account's name, else `unknown`."""
    if os.environ.get("GITHUB_ACTOR"):
        return os.environ["GITHUB_ACTOR"]
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no account behind the user id, as in some containers
        return "unknown"


def _pin(
    path: Path, side: Side, reason: str, by: str | None, admitted: Literal["bootstrap", "PASS"], policy: str | None
) -> Pin:
    folder = os.path.relpath(side.run.folder.resolve(), path.parent.resolve())
    return Pin(
        run=Path(folder).as_posix(),
        digest=side.digest,
        model=side.model.name,
        model_digest=side.model.digest,
        suites={ref.name: ref.digest for ref in side.manifest.suites},
        files=side.run.evidence.fingerprint(),
        by=by or user_name(),
        reason=reason.strip(),
        at=_now(),
        admitted=admitted,
        policy=policy,
    )


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise BaselineError("--reason: say in a few words why; it is kept in the lock")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(path: Path, lock: BaselineLock) -> None:
    write_atomically(path, msgspec.json.format(encode(lock), indent=2) + b"\n")
