"""Attempts to make a broken candidate pass by editing files. None may, whatever else comes of it.

The candidate loses 30 of 100 characters in every image and fails the gate. Each attack edits files of its run, of the
baseline's, the policy or the lock, as anyone with write access could.
"""

from __future__ import annotations

import hashlib
import json
import shutil

import msgspec
import pytest
from runs_by_hand import check

import evalsuite
from evalsuite.errors import EvalsuiteError
from evalsuite.gate.baseline import read_lock
from evalsuite.records import Prompt, digest
from evalsuite.runs.promises import sampling_units

PROMPTS = 140


class Pair:
    """A good baseline and a broken candidate of the same plan, and hands to change their files."""

    def __init__(self, make_run, policy, made):
        self.make_run, self.policy = make_run, policy
        self.good, self.bad = (shutil.copytree(folder, make_run.root / folder.name) for folder in made)

    def rows(self, folder, kind):
        (path,) = folder.glob(f"{kind}*.jsonl")
        return path

    def edit(self, folder, kind, change):
        """Change every row of a file, as a decoded object; `change` gives the row to keep, or None to drop it."""
        path = self.rows(folder, kind)
        kept = [change(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in kept if row is not None))

    def manifest(self, folder, change):
        path = folder / "manifest.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    def outcome(self, **options):
        """The gate's outcome, or the error's name where the run is refused."""
        try:
            return check(self.good, self.bad, **{"policy": self.policy, **options}).outcome
        except EvalsuiteError as error:
            return type(error).__name__


@pytest.fixture(scope="module")
def made(make_shared_run):
    """The two folders as they were written; each test has copies of its own."""
    return (
        make_shared_run("good", prompts=PROMPTS, models=("m",)),
        make_shared_run("bad", lambda *_: 30, prompts=PROMPTS, models=("m",), weights="f" * 64),
    )


@pytest.fixture
def pair(make_run, policy_file, made):
    return Pair(make_run, policy_file, made)


def keys_of(pair, folder):
    """Key and image hash of each prompt and seed."""
    rows = map(json.loads, pair.rows(folder, "generations").read_text().splitlines())
    return {(row["prompt"], row["seed"]): row for row in rows}


def test_the_controls(pair, make_run):
    assert pair.outcome() == "FAIL"
    pair.bad = make_run("equal", prompts=PROMPTS, models=("m",), weights="e" * 64)
    assert pair.outcome() == "PASS"


# --- Scores -----------------------------------------------------------------------------------------------


def perfect(target):
    return target | {"deletions": 0, "substitutions": 0, "insertions": 0, "matched": True, "exact": True}


def rewritten(change):
    """A change of every target's score in a row."""
    return lambda row: row | {"result": row["result"] | {"targets": [*map(change, row["result"]["targets"])]}}


SCORES = {
    "all perfect": rewritten(perfect),
    "negative substitutions": rewritten(lambda target: target | {"substitutions": -30}),
    "lengths times fifty": rewritten(lambda target: target | {"length": 5_000}),
    "length nought": rewritten(lambda target: target | {"length": 0}),
    "other targets": rewritten(lambda target: perfect(target) | {"target": "OK", "length": 2}),
    "no targets": lambda row: row | {"result": row["result"] | {"targets": []}},
    "removed": lambda _: None,
    "another scorer": lambda row: row | {"scorer": row["scorer"] | {"version": "9"}},
}


@pytest.mark.parametrize("attack", SCORES)
def test_edited_score_rows_change_nothing(pair, attack):
    for folder in (pair.bad, pair.good) if attack == "lengths times fifty" else (pair.bad,):
        pair.edit(folder, "scores", SCORES[attack])
    assert pair.outcome() == "FAIL"


def test_the_baselines_score_rows_under_the_candidates_keys_change_nothing(pair):
    keys = keys_of(pair, pair.bad)
    pair.edit(pair.good, "scores", lambda row: row | {"key": keys[row["prompt"], row["seed"]]["key"]})
    shutil.copy(pair.rows(pair.good, "scores"), pair.rows(pair.bad, "scores"))
    assert pair.outcome() == "FAIL"


def test_doubled_score_rows_change_nothing(pair):
    path = pair.rows(pair.bad, "scores")
    edited = path.read_text().replace('"deletions":30', '"deletions":0')
    path.write_text(path.read_text() + edited)
    assert pair.outcome() == "FAIL"


# --- Readings ---------------------------------------------------------------------------------------------


def test_the_baselines_readings_are_not_of_this_run(pair):
    shutil.copy(pair.rows(pair.good, "readings"), pair.rows(pair.bad, "readings"))
    assert pair.outcome() == "DamagedRunError"


def test_the_baselines_readings_under_the_candidates_keys_are_of_other_bytes(pair):
    keys = keys_of(pair, pair.bad)
    by_key = {row["key"]: slot for slot, row in keys_of(pair, pair.good).items()}
    copy = pair.good.with_name("copy")
    shutil.copytree(pair.good, copy)
    pair.edit(copy, "readings", lambda row: row | {"key": keys[by_key[row["key"]]]["key"]})
    shutil.copy(pair.rows(copy, "readings"), pair.rows(pair.bad, "readings"))
    assert pair.outcome() == "INCOMPLETE"


def test_the_baselines_readings_re_keyed_and_re_hashed_are_seen_to_be_copies(pair):
    """Equal to the last digit of every box and confidence, for other pictures."""
    mine = keys_of(pair, pair.bad)
    by_key = {row["key"]: slot for slot, row in keys_of(pair, pair.good).items()}

    def disguise(row):
        own = mine[by_key[row["key"]]]
        return row | {"key": own["key"], "image_sha256": own["sha256"]}

    copy = pair.good.with_name("copy")
    shutil.copytree(pair.good, copy)
    pair.edit(copy, "readings", disguise)
    shutil.copy(pair.rows(copy, "readings"), pair.rows(pair.bad, "readings"))
    assert pair.outcome() == "NOT COMPARABLE"


def test_readings_emptied_or_failed_or_gone_never_help(pair):
    whole = pair.rows(pair.bad, "readings").read_bytes()
    pair.edit(pair.bad, "readings", lambda row: row | {"lines": []})
    assert pair.outcome() == "FAIL"
    pair.edit(pair.bad, "readings", lambda row: row | {"error": "x"})
    assert pair.outcome() == "INCOMPLETE"
    pair.rows(pair.bad, "readings").write_bytes(b"")
    assert pair.outcome() == "INCOMPLETE"
    pair.rows(pair.bad, "readings").unlink()
    assert pair.outcome() == "INCOMPLETE"
    (pair.bad / "readings.paddle-00000000.jsonl").write_bytes(whole)
    assert pair.outcome() == "INCOMPLETE"


# --- Generations and images -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda row: None if row["prompt"] < "p080" else row,
        lambda row: row | {"error": "out of memory", "image": None, "sha256": None} if row["prompt"] < "p080" else row,
    ],
    ids=["removed", "failed"],
)
def test_generations_taken_away_make_the_run_incomplete(pair, change):
    pair.edit(pair.bad, "generations", change)
    assert pair.outcome() == "INCOMPLETE"


def replace_images(folder, content):
    for path in (folder / "images").iterdir():
        path.write_bytes(content(path))


def test_images_deleted_emptied_or_junk_make_the_run_incomplete(pair):
    replace_images(pair.bad, lambda path: path.read_bytes() + b"x")
    assert pair.outcome() == "INCOMPLETE"
    replace_images(pair.bad, lambda _: b"")
    assert pair.outcome() == "INCOMPLETE"
    shutil.rmtree(pair.bad / "images")
    assert pair.outcome() == "INCOMPLETE"


def test_a_good_run_without_its_images_does_not_pass_either(pair, make_run):
    pair.bad = make_run("equal", prompts=PROMPTS, models=("m",), weights="e" * 64)
    shutil.rmtree(pair.bad / "images")
    assert pair.outcome() == "INCOMPLETE"


def test_the_baselines_images_in_their_place_are_other_bytes(pair):
    mine, theirs = keys_of(pair, pair.bad), keys_of(pair, pair.good)
    for slot, row in mine.items():
        shutil.copy(pair.good / theirs[slot]["image"], pair.bad / row["image"])
    assert pair.outcome() == "INCOMPLETE"


def test_a_link_for_an_image_is_no_image(pair):
    mine, theirs = keys_of(pair, pair.bad), keys_of(pair, pair.good)
    slot = next(iter(mine))
    (pair.bad / mine[slot]["image"]).unlink()
    (pair.bad / mine[slot]["image"]).symlink_to(pair.good / theirs[slot]["image"])
    assert pair.outcome() == "INCOMPLETE"


def test_an_image_row_that_leads_elsewhere_is_damage(pair):
    pair.edit(pair.bad, "generations", lambda row: row | {"image": f"../good/images/{row['key']}.png"})
    assert pair.outcome() == "DamagedRunError"


def test_a_copy_of_the_baselines_run_is_no_candidate(pair):
    pair.bad = pair.good.with_name("twin")
    shutil.copytree(pair.good, pair.bad)
    assert pair.outcome() == "NOT COMPARABLE"
    pair.manifest(pair.bad, lambda content: content.update(name="another", created_at="2027-01-01T00:00:00+00:00"))
    assert pair.outcome() == "NOT COMPARABLE"


def test_the_run_itself_is_no_candidate(pair):
    pair.bad = pair.good
    assert pair.outcome() == "NOT COMPARABLE"


def test_images_and_rows_replaced_together_are_told_by_the_lock(pair, tmp_path):
    """No check of one folder can tell that; the lock holds the digest of every row file and image."""
    lock = tmp_path / "baseline.lock"
    evalsuite.promote(pair.good, lock=lock, policy=pair.policy, bootstrap=True, reason="first")
    worse = pair.make_run("good-again", lambda *_: 31, prompts=PROMPTS, models=("m",))
    for name in ("generations.jsonl", pair.rows(pair.good, "readings").name, "images"):
        target = pair.good / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        (shutil.copytree if (worse / name).is_dir() else shutil.copy)(worse / name, target)
    with pytest.raises(EvalsuiteError, match=r"its generations\.jsonl, readings\S* changed since"):
        evalsuite.gate(pair.bad, lock=lock, policy=pair.policy, report=False)


# --- The plan ---------------------------------------------------------------------------------------------


def dropped(content):
    content["prompts"] = content["prompts"][:50]


def dropped_with_its_size(content):
    dropped(content)
    content["suites"][0]["prompts"] = 50


def dropped_with_a_digest(content):
    dropped_with_its_size(content)
    content["suites"][0]["digest"] = digest(msgspec.convert(content["prompts"], tuple[Prompt, ...]))


def other_targets(content):
    for prompt in content["prompts"]:
        prompt["targets"] = [prompt["targets"][0][:70]]


MANIFESTS = {
    "prompts dropped": (dropped, "DamagedRunError"),
    "prompts dropped, size too": (dropped_with_its_size, "DamagedRunError"),
    "prompts dropped, size and digest too": (dropped_with_a_digest, "DamagedRunError"),
    "targets edited": (other_targets, "DamagedRunError"),
    "targets that no text holds": (lambda c: c["prompts"][0].update(targets=["OK"]), "DamagedRunError"),
    "other OCR": (lambda c: c["ocr"].update(weights_digest="0" * 64), "NOT COMPARABLE"),
    "other suite digest": (lambda c: c["suites"][0].update(digest="0" * 64), "DamagedRunError"),
    "suite larger, other digest": (
        lambda c: c["suites"][0].update(digest="0" * 64, prompts=999), "NOT COMPARABLE",
    ),
    "seeds twice": (lambda c: c.update(seeds=[0, 0]), "DamagedRunError"),
    "no seeds": (lambda c: c.update(seeds=[]), "DamagedRunError"),
    "no prompts": (lambda c: c.update(prompts=[]), "DamagedRunError"),
    "no models": (lambda c: c.update(models=[]), "DamagedRunError"),
    "models twice": (lambda c: c.update(models=c["models"] * 2), "DamagedRunError"),
    "fewer seeds": (lambda c: c.update(seeds=[0]), "DamagedRunError"),
    "another format": (lambda c: c.update(format=2), "DamagedRunError"),
    "an engine's name that leads elsewhere": (lambda c: c["ocr"].update(name="x/../../y"), "DamagedRunError"),
    "the baseline's weights": (lambda c: c["models"][0].update(weights_digest="0"), "DamagedRunError"),
}  # fmt: skip


@pytest.mark.parametrize("attack", MANIFESTS)
def test_an_edited_plan_is_refused(pair, attack):
    change, expected = MANIFESTS[attack]
    pair.manifest(pair.bad, change)
    assert pair.outcome() == expected


def test_one_prompt_listed_many_times_is_refused_in_both_runs(pair):
    for folder in (pair.good, pair.bad):
        pair.manifest(folder, lambda content: content.update(prompts=content["prompts"][:12] * 10))
    with pytest.raises(EvalsuiteError, match="prompt p000, p001, p002, p003, p004 and 7 more is listed more than once"):
        check(pair.good, pair.bad, policy=pair.policy)


@pytest.mark.parametrize(
    "disguise",
    [
        str,
        lambda text: text.replace("a sign", "A SIGN"),
        lambda text: text.replace(" ", "  "),
        lambda text: f" {text}\n",
        lambda text: text.replace("a sign", "ａ ｓｉｇｎ"),
        lambda text: f"{text}.",
        lambda text: text.replace("a sign: ", "a\u00adsign\u200b – "),
    ],
    ids=["as it is", "capitals", "spaces", "ends", "full width", "full stop", "invisible"],
)
def test_one_text_under_many_ids_counts_once(make_run, policy_file, disguise):
    """Equal runs of 120 prompts pass; the same prompt 120 times over is one prompt, and one prompt decides nothing."""
    one = make_run.prompts(1)[0]
    one = msgspec.structs.replace(one, text=f"a sign: {one.text}")
    same = tuple(
        msgspec.structs.replace(one, id=f"same-{n:03d}", text=disguise(one.text) if n % 2 else one.text)
        for n in range(120)
    )
    runs = [make_run(name, prompts=same, models=("m",), weights=name * 64) for name in "ab"]
    verdict = check(*runs, policy=policy_file)
    assert verdict.outcome == "INCONCLUSIVE"
    assert {gate.prompts for gate in verdict.gates} == {1}
    assert any("119 prompts repeat the text of another" in note for note in verdict.notes)


def test_marks_within_numbers_make_another_text(make_run):
    texts = ("a tag: £5.00", "a tag: £500", "a tag, £5.00!", "at 10:30", "at 1030", "10 30 at", "…", "—")
    prompts = [msgspec.structs.replace(make_run.prompts(1)[0], id=text, text=text) for text in texts]
    assert [ident for ident, unit in sampling_units(prompts).items() if ident != unit] == ["a tag, £5.00!"]


def test_runs_of_too_few_prompts_or_samples_pass_nothing(make_run, policy_file):
    few = [make_run(name, prompts=12, models=("m",), weights=name * 64) for name in "ab"]
    assert check(*few, policy=policy_file).outcome == "INCONCLUSIVE"
    single = [make_run(name, prompts=120, seeds=(0,), models=("m",), weights=name * 64) for name in "cd"]
    assert check(*single, policy=policy_file).outcome == "INCOMPLETE"
    assert check(make_run("e", prompts=120), single[0], policy=policy_file).outcome == "NOT COMPARABLE"


def test_nothing_against_nothing_does_not_pass(make_run, policy_file):
    """A baseline that writes no character has nothing to lose."""
    runs = [make_run(name, lambda *_: 100, prompts=120, models=("m",), weights=name * 64) for name in "ab"]
    verdict = check(*runs, policy=policy_file)
    assert verdict.outcome == "INCONCLUSIVE"
    assert verdict.gates[0].baseline == verdict.gates[0].candidate == 0.0


# --- The policy and the lock ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("margin = 0.999", "PolicyError"),
        ("margin = 0.5", "PolicyError"),
        ("margin = -0.1", "PolicyError"),
        ("margin = nan", "PolicyError"),
        ("margin = inf", "PolicyError"),
        ("margn = 0.02", "PolicyError"),
        ("margin = 0.02\nmetrics = 'ned'", "PolicyError"),
        ("margin = 0.02\nslice = 'language=fr'", "INCOMPLETE"),
        ("margin = 0.02\nslice = 'length=long'", "INCOMPLETE"),
    ],
)
def test_a_policy_that_asks_for_nothing_is_refused_or_passes_nothing(pair, tmp_path, line, outcome):
    path = tmp_path / "p.toml"
    path.write_text(f'format = 1\nname = "p"\nsamples = 2\n[[gates]]\n{line}\n')
    assert pair.outcome(policy=path) == outcome


@pytest.mark.parametrize(
    ("head", "outcome"),
    [
        ("alpha = nan", "PolicyError"),
        ("alpha = 0.5", "PolicyError"),
        ("alpha = 0.49", "FAIL"),
        ('on_inconclusive = "warn"', "FAIL"),
    ],
)
def test_a_lax_policy_still_fails_a_broken_candidate(pair, tmp_path, head, outcome):
    path = tmp_path / "p.toml"
    path.write_text(f'format = 1\nname = "p"\nsamples = 2\n{head}\n[[gates]]\nmargin = 0.02\n')
    assert pair.outcome(policy=path) == outcome


@pytest.mark.parametrize("content", ['format = 1\nname = "p"\n', 'format = 1\nname = "p"\n[speed]\np50 = 9.0\n'])
def test_a_policy_without_gates_is_refused(pair, tmp_path, content):
    path = tmp_path / "p.toml"
    path.write_text(content)
    assert pair.outcome(policy=path) == "PolicyError"


@pytest.fixture
def lock(pair, tmp_path):
    path = tmp_path / "baseline.lock"
    evalsuite.promote(pair.good, lock=path, policy=pair.policy, bootstrap=True, reason="first", by="Ada")
    return path


def against(lock, pair):
    try:
        return evalsuite.gate(pair.bad, lock=lock, policy=pair.policy, report=False).outcome
    except EvalsuiteError as error:
        return type(error).__name__


def change_lock(lock, change):
    content = json.loads(lock.read_text())
    change(content)
    lock.write_text(json.dumps(content))


ACKNOWLEDGED = {"model_digest": "", "by": "", "reason": "", "at": ""}


LOCKS = {
    "run path edited to the bad run": (lambda c: c["baseline"].update(run="bad"), "NotComparableError"),
    "run path and digest edited": (lambda c: c["baseline"].update(run="bad", digest="0" * 64), "NotComparableError"),
    "anchor removed": (lambda c: c.pop("anchor"), "BaselineError"),
    "suites emptied, model digest false": (lambda c: c["baseline"].update(suites={}, model_digest="0"), "FAIL"),
    "digests emptied": (lambda c: c["baseline"].update(files={}), "NotComparableError"),
    "no digests": (lambda c: c["baseline"].pop("files"), "BaselineError"),
    "of an earlier format": (lambda c: c.update(format=1), "BaselineError"),
}


@pytest.mark.parametrize("attack", LOCKS)
def test_an_edited_lock_passes_nothing(pair, lock, attack):
    change, expected = LOCKS[attack]
    change_lock(lock, change)
    assert against(lock, pair) == expected


def test_an_acknowledgement_that_nobody_signed_is_refused(pair, lock):
    failing = evalsuite.gate(pair.bad, lock=lock, policy=pair.policy, report=False).verdict
    model = failing.candidate.model_digest
    names = [gate.name for gate in failing.gates if gate.decision == "FAIL"]
    for signed in ({}, {"by": "Ada"}, {"by": "Ada", "reason": " ", "at": "2026"}, {"reason": "x", "at": "2026"}):
        entries = [{**ACKNOWLEDGED, "gate": name, "model_digest": model, **signed} for name in names]
        change_lock(lock, lambda content, entries=entries: content.update(acknowledged=entries))
        assert against(lock, pair) == "BaselineError", signed


def test_a_lock_cut_in_half_or_missing_is_refused(pair, lock):
    whole = lock.read_bytes()
    lock.write_bytes(whole[: len(whole) // 2])
    assert against(lock, pair) == "BaselineError"
    lock.unlink()
    assert against(lock, pair) == "BaselineError"


def test_the_lock_holds_the_digest_of_every_file_that_a_verdict_rests_on(pair, lock):
    pin = read_lock(lock).baseline
    readings = pair.rows(pair.good, "readings").name
    assert set(pin.files) == {"manifest.json", "generations.jsonl", readings, "images"}
    for name in set(pin.files) - {"images"}:
        assert pin.files[name] == hashlib.sha256((pair.good / name).read_bytes()).hexdigest()
    images = sorted([row["key"], row["sha256"]] for row in keys_of(pair, pair.good).values())
    assert pin.files["images"] == digest(images)
