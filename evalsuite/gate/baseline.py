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
from evalsuite.gate import Acknowledgement, Policy, judge, load_policy, open_view
from evalsuite.records import Record
from evalsuite.runs.rows import write_atomically

if TYPE_CHECKING:
    from evalsuite.gate import RunView, Verdict

FORMAT = 1
LOCK = Path("baseline.lock")


class BaselineError(EvalsuiteError):
    """The lock is missing, damaged, or does not allow what was asked."""


class NotPromotedError(EvalsuiteError):
    """A run did not pass its gate, so it does not become the baseline."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Pin(Record, frozen=True, kw_only=True):
    """A run that was promoted. `run` is its folder relative to the lock, `digest` that of its plan and rows.

    `admitted` says how it came in: by `bootstrap`, or by the outcome of its gate under `policy`.
    """

    run: str
    digest: str
    model: str
    model_digest: str
    suites: dict[str, str]
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
        lock = msgspec.json.decode(path.read_bytes(), type=BaselineLock)
    except FileNotFoundError:
        raise BaselineError(
            f"{path}: there is no baseline yet; look at a run that you trust and promote it: "
            f"evalsuite baseline promote RUN --bootstrap --reason 'first baseline'"
        ) from None
    except OSError as error:
        raise BaselineError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BaselineError(f"{path}: not a baseline lock: {error}; restore it from version control") from error
    if lock.format != FORMAT:
        raise BaselineError(f"{path}: lock format {lock.format}; this evalsuite reads format {FORMAT}")
    return lock


def open_pin(path: Path, pin: Pin) -> RunView:
    """The run that a lock's entry names, checked to be the very one.

    Raises:
        NotComparableError: The run's rows are not those that were promoted.
        EvalsuiteError: The run is not there or is damaged.
    """
    folder = path.parent / pin.run
    view = open_view(folder, pin.model)
    if view.digest != pin.digest:
        raise NotComparableError(
            f"{folder}: is not the run that {path} names (digest {view.digest[:12]}, promoted was {pin.digest[:12]}): "
            f"its rows changed since {pin.at}; restore it, or promote what you trust with --bootstrap"
        )
    return view


def gate_against_lock(
    candidate: Path, *, path: Path = LOCK, policy: str | Path | Policy = "default", model: str | None = None
) -> Verdict:
    """Gate a stored run against the lock's baseline and anchor.

    Raises:
        EvalsuiteError: There is no lock, or a run or the policy cannot be used.
    """
    lock = read_lock(path)
    rules = policy if isinstance(policy, Policy) else load_policy(policy)
    return judge(
        open_pin(path, lock.baseline),
        open_view(candidate, model),
        rules,
        anchor=open_pin(path, lock.anchor) if lock.anchor.digest != lock.baseline.digest else None,
        acknowledged=lock.acknowledged,
    )


def promote(
    run: Path,
    *,
    reason: str,
    path: Path = LOCK,
    bootstrap: bool = False,
    move_anchor: bool = False,
    policy: str | Path | Policy = "default",
    model: str | None = None,
    by: str | None = None,
) -> tuple[BaselineLock, Verdict | None]:
    """Make a stored run the baseline, if its gate against the present one passes, and write the lock.

    Args:
        run: The run folder.
        reason: Why, for the record.
        path: The lock.
        bootstrap: Take the run ungated as baseline and anchor: for the first, and for a new start after a change
            of suite, OCR or scorer.
        move_anchor: Make it the anchor too.
        policy: Of the gate.
        model: The model in the run, where it has several.
        by: Who; by default `user_name()`.

    Raises:
        NotPromotedError: The gate did not pass; the lock is as it was.
        BaselineError: There is no lock and no `bootstrap`, or no reason was given.
    """
    _need_reason(reason)
    view = open_view(run, model)
    if view.missing:
        raise NotPromotedError(
            f"{run}: {len(view.missing)} images are missing, e.g. {view.missing[0]}; a baseline must be complete",
            ExitCode.INCOMPLETE,
        )
    if bootstrap:
        pin = _pin(path, view, reason, by, "bootstrap", None)
        old = read_lock(path) if path.exists() else None
        lock = BaselineLock(baseline=pin, anchor=pin, history=(*old.history, old.baseline) if old else ())
        _write(path, lock)
        return lock, None
    old = read_lock(path)
    rules = policy if isinstance(policy, Policy) else load_policy(policy)
    verdict = gate_against_lock(run, path=path, policy=rules, model=model)
    if verdict.outcome != "PASS":
        raise NotPromotedError(_refusal(run, verdict), ExitCode(verdict.exit_code or ExitCode.INCONCLUSIVE))
    pin = _pin(path, view, reason, by, "PASS", f"{rules.name} {rules.digest[:12]}")
    lock = BaselineLock(
        baseline=pin,
        anchor=pin if move_anchor else old.anchor,
        acknowledged=old.acknowledged,
        history=(*old.history, old.baseline),
    )
    _write(path, lock)
    return lock, verdict


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
    gate: str,
    run: Path,
    *,
    reason: str,
    path: Path = LOCK,
    policy: str | Path | Policy = "default",
    model: str | None = None,
    by: str | None = None,
) -> BaselineLock:
    """Accept that one gate fails for one candidate, by name, and record it in the lock.

    It holds for this model's weights and settings alone, and only for this gate.

    Raises:
        BaselineError: The gate is not failing for this run, is unknown, or no reason was given.
    """
    _need_reason(reason)
    lock = read_lock(path)
    verdict = gate_against_lock(run, path=path, policy=policy, model=model)
    failing = [each.name for each in verdict.gates if each.decision == "FAIL"]
    if gate not in failing:
        listed = ", ".join(failing) or "none"
        raise BaselineError(f"{gate}: is no failing gate on accuracy of {run}; failing: {listed}")
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
    path: Path, view: RunView, reason: str, by: str | None, admitted: Literal["bootstrap", "PASS"], policy: str | None
) -> Pin:
    folder = os.path.relpath(view.folder.resolve(), path.parent.resolve())
    return Pin(
        run=Path(folder).as_posix(),
        digest=view.digest,
        model=view.model.name,
        model_digest=view.model.digest,
        suites={ref.name: ref.digest for ref in view.manifest.suites},
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
    try:
        write_atomically(path, msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n")
    except OSError as error:
        raise BaselineError(f"{path}: cannot be written: {error.strerror}") from error
