"""Ctrl-C and SIGTERM: acknowledged at once, exit code 130, also while a library does not let Python act."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """\
import hashlib, sys, time
from evalsuite.cli import console, main, stopping

stopping.PATIENCE = {patience}

@main.app.command()
def work() -> None:
    with console.progress():
        print("at work", flush=True)
        {work}

sys.argv = ["evalsuite", "work"]
main.main()
"""
SLEEPS = "time.sleep(600)"
# A library's call that frees the interpreter and takes no notice of signals: here, an hour of hashing.
DEAF = "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"
STOPPED = "note: stopping\nerror: interrupted; what was finished is kept: run the same command again to go on\n"


def stopped(work: str, sign: int, patience: float = 60) -> tuple[int, str]:
    program = PROGRAM.format(work=work, patience=patience)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(sign)
        return process.wait(timeout=60), process.stderr.read()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_with_the_message_and_130(sign):
    assert stopped(SLEEPS, sign) == (130, STOPPED)


def test_a_library_that_takes_no_notice_is_not_waited_for():
    assert stopped(DEAF, signal.SIGTERM, patience=0) == (130, STOPPED)
