"""The project's commands: `nox -s eval`, and `gate`, `claims`, `tests`, `docs`, `lint`, `bench`, `soak` and others.

Each session makes its own environment with the versions pinned in constraints.txt and installs all it needs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = True

# The wheels that carry the PP-OCRv6 and the PP-OCRv4 models. Their dependencies are left out: they would lay
# another OpenCV over the opencv-contrib-python that PaddleX pins (both own the folder cv2). Only weights are taken,
# so the Python versions that their code is made for do not matter.
RAPIDOCR = ("rapidocr==3.10.0", "rapidocr-onnxruntime==1.4.4")

# The core's packages by hash, with what builds evalsuite itself. pip takes hashes for all of an installation or none,
# so they are installed first and alone.
LOCK = "requirements.lock"
LOCKING = ("uv==0.13.9",)

# Used where they can be had: one asks the index for known vulnerabilities, the other fuzzes by coverage.
PIP_AUDIT = ("pip-audit==2.10.1",)
ATHERIS = ("atheris==3.0.0",)

# Of the trackers, the one that is light. wandb has 200 MB, and no mlflow-skinny fits all pinned versions: the tests of
# these two read back what their clients wrote where they are installed, and are skipped elsewhere.
TRACKERS = ("tensorboard",)

# All that is for one machine: what can be drawn with, read with, compared and served.
LOCAL = ("ocr", "openvino", "cuda-ocr", "tesseract", "fonts", "models", "datasets", "content", "server", "serve")

# A sample of the six own suites, balanced over their categories, with both ceilings: under three minutes on two cores.
EVAL_DEFAULT = ["--suite", "all", "--limit", "18", "--styled-ceiling"]


def install(session: nox.Session, *extras: str, groups: tuple[str, ...] = ()) -> None:
    """Install evalsuite with extras and dependency groups at the pinned versions: its core by hash, then the rest."""
    pinned = ["--constraint", "constraints.txt"]
    session.install("--quiet", "--require-hashes", "--requirement", LOCK)
    wanted = f".[{','.join(extras)}]" if extras else "."
    session.log(
        "installing evalsuite with %s; the first time this takes a few minutes", ", ".join(extras) or "no extras"
    )
    if not extras and not groups:
        session.install("--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
        return
    requirements = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), *groups) if groups else ()
    session.install("--quiet", *pinned, "--editable", wanted, *requirements)
    if "ocr" in extras:
        session.install("--quiet", "--no-deps", "--ignore-requires-python", *RAPIDOCR)


def run_to_the_end(session: nox.Session, program: str, *arguments: str) -> None:
    """Run a program of the session's environment and leave with its exit code, which `session.run` would make 1."""
    command = [str(Path(session.bin) / program), *arguments]
    session.log(" ".join(command))
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(code)


@nox.session
def eval(session: nox.Session) -> None:  # noqa: A001 - `nox -s eval` is the command's name
    """Draw, read, score and report. Arguments after -- go to `evalsuite run`."""
    install(session, "ocr", "fonts", "models")
    session.run("evalsuite", "run", *(session.posargs or EVAL_DEFAULT), success_codes=[0])


@nox.session
def claims(session: nox.Session) -> None:
    """Check a run against published figures. Arguments after -- go to `evalsuite claims`; without any, list them.

    Leaves with the check's own exit code: 0 reproduced, 10 not reproduced, 11 inconclusive, 12 not comparable.
    """
    install(session)
    run_to_the_end(session, "evalsuite", "claims", *(session.posargs or ["--list"]))


@nox.session
def gate(session: nox.Session) -> None:
    """Decide whether a checkpoint may ship: `nox -s gate -- --baseline A --candidate B`. Needs no GPU and no torch.

    With `--draw --model CHECKPOINT` in place of `--candidate`, it draws and reads, and installs what that takes.
    Leaves with the gate's own exit code: 0 PASS, 10 FAIL, 11 INCONCLUSIVE, 12 not to be compared.
    """
    if not session.posargs:
        session.error("name the runs: nox -s gate -- --baseline RUN --candidate RUN (or --draw --model CHECKPOINT)")
    install(session, *(("ocr", "fonts", "models") if "--draw" in session.posargs else ()))
    run_to_the_end(session, "evalsuite", "gate", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, two files at a time. Arguments after -- go to pytest, e.g. `-m 'not slow'`, `-n 0` for one."""
    install(session, *LOCAL, "ray", *TRACKERS, groups=("test",))
    # In the order of collection, long files first (tests/conftest.py), and not those with the most tests.
    two = ["--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    session.run("pytest", *two, *session.posargs, env={"OMP_NUM_THREADS": "1"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into build/site with its links checked, and run every example of docs/python.md: a few minutes.

    `nox -s docs -- site` only builds.
    """
    only_site = session.posargs == ["site"]
    install(session, *(() if only_site else ("ocr", "fonts", "models")), groups=("docs",))
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})
    if only_site:
        return
    page = Path("docs/python.md").resolve()
    empty = Path(session.create_tmp(), "docs").resolve()
    shutil.rmtree(empty, ignore_errors=True)
    empty.mkdir()
    session.chdir(empty)
    session.run("python", "-m", "doctest", "-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE", str(page))


@nox.session(name="train-standins")
def train_standins(session: nox.Session) -> None:
    """Train the stand-in checkpoints again (minutes on a GPU). Arguments after -- go to the recipe.

    On a CPU, `--repair 0.4 --steps 1 600 1 --tokens 1 6144 --prompts 20000` (docs/standins.md) ends within the hour.
    """
    install(session, "ocr", "fonts", "models")
    session.run("python", "-m", "training.standins.train", "--out", "build/standins", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types, and the pinned versions against known vulnerabilities where the index answers."""
    install(session, groups=("lint",))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    audit(session)


@nox.session
def lock(session: nox.Session) -> None:
    """Write requirements.lock anew: the core's packages at the versions of constraints.txt, with all their hashes."""
    session.install("--quiet", *LOCKING)
    build = Path(session.create_tmp(), "build.in").resolve()
    # hatchling asks for `editables` where it installs in editable form.
    build.write_text(
        "\n".join([*nox.project.load_toml("pyproject.toml")["build-system"]["requires"], "editables>=0.5"])
    )
    made = Path(session.create_tmp(), "made.lock").resolve()
    asked = ["--constraint", "constraints.txt", "--generate-hashes", "--universal", "--python-version", "3.11"]
    quiet = ["--quiet", "--no-emit-index-url", "--no-header", "--no-annotate", "--output-file", str(made)]
    session.run("uv", "pip", "compile", "pyproject.toml", str(build), *asked, *quiet)
    head = "".join(line for line in Path(LOCK).read_text().splitlines(keepends=True) if line.startswith("#"))
    Path(LOCK).write_text(head + made.read_text())


def audit(session: nox.Session) -> None:
    """Hold constraints.txt against the index's vulnerabilities. A mirror without them is told and fails nothing."""
    command = [str(Path(session.bin) / "pip-audit"), "--requirement", "constraints.txt", "--no-deps", "--disable-pip"]
    try:
        session.install("--quiet", *PIP_AUDIT)
    except nox.command.CommandFailed:
        session.log("pip-audit cannot be installed here: the versions were not audited")
        return
    done = subprocess.run(
        [*command, "--format", "json", "--progress-spinner", "off"], check=False, capture_output=True, text=True
    )
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        session.log("the index does not answer pip-audit: the versions were not audited")
        return
    known = [each for each in found if "skip_reason" not in each]
    session.log("pip-audit: %d of %d pinned versions are known to the index", len(known), len(found))
    if weak := [f"{each['name']} {each['version']}: {flaw['id']}" for each in known for flaw in each["vulns"]]:
        session.error("; ".join(weak))


@nox.session
def soak(session: nox.Session) -> None:
    """Kill runs at every step of the write order, refuse writes, try hostile files, fuzz every parser: some hours.

    `-- SECONDS EVERY` sets the seconds of fuzzing by coverage (3600), with Hypothesis's examples in proportion (2,000),
    and to stop at each EVERYth step and try each EVERYth trial alone (1). What was done is kept in build/soak, so that
    a soak that was stopped goes on.
    """
    install(session, *LOCAL, groups=("test",))
    seconds, every = (*session.posargs, *("3600", "1")[len(session.posargs) :])[:2]
    state = Path("build/soak").resolve()
    state.mkdir(parents=True, exist_ok=True)
    tools = Path("tests/reliability")
    session.run("python", str(tools / "kills.py"), str(state / "kills.jsonl"), "--every", every)
    session.run("python", str(tools / "faults.py"), str(state / "faults.jsonl"), "--every", every)
    for name in ("damage", "hostile", "servers", "checkpoints"):
        session.run("python", str(tools / f"{name}.py"), "--state", str(state / f"{name}.jsonl"), "--every", every)
    examples = max(25, int(seconds) * 2000 // 3600)
    session.run("pytest", str(tools / "test_fuzzing.py"), env={"EVALSUITE_FUZZ_EXAMPLES": str(examples)})
    try:
        session.install("--quiet", *ATHERIS)
    except nox.command.CommandFailed:
        session.log("atheris cannot be installed here: the parsers were fuzzed by Hypothesis alone")
        return
    corpus = state / "corpus"
    corpus.mkdir(exist_ok=True)
    limits = f"-max_total_time={seconds}", f"-artifact_prefix={state}/", "-rss_limit_mb=4096", "-timeout=20"
    session.run("python", str(tools / "coverage_fuzzing.py"), "all", *limits, str(corpus))


@nox.session
def bench(session: nox.Session) -> None:
    """Run one benchmark by name, e.g. `nox -s bench -- scoring`; without a name, list them."""
    modules = [
        *Path("benchmarks").glob("[!_]*.py"),
        *(path.parent for path in Path("benchmarks").glob("*/__main__.py")),
    ]
    names = sorted(path.stem for path in modules)
    if not session.posargs or session.posargs[0] not in names:
        session.error(f"name a benchmark: {', '.join(names)}")
    install(session, *LOCAL, groups=("test",))
    session.run("python", "-m", f"benchmarks.{session.posargs[0]}", *session.posargs[1:])
