"""Fuzz one parser by coverage, with atheris, or all of them in turn: `nox -s soak`, or

python coverage_fuzzing.py TARGET -max_total_time=600 [CORPUS]
python coverage_fuzzing.py all -max_total_time=3600 [CORPUS]

For `all`, the first byte of an input says which parser gets the rest, so that the modules, whose instrumenting takes a
minute, are imported once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["evalsuite"]):
    from fuzzing import TARGETS


def all_in_turn(content: bytes) -> None:
    """Give an input to the parser that its first byte names."""
    if content:
        list(TARGETS.values())[content[0] % len(TARGETS)](content[1:])


def main() -> None:
    name, *arguments = sys.argv[1:]
    atheris.Setup([sys.argv[0], *arguments], all_in_turn if name == "all" else TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
