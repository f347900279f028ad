"""Fuzz one parser by coverage, with atheris: `nox -s soak`, or

python coverage_fuzzing.py TARGET -max_total_time=600 [CORPUS]
python coverage_fuzzing.py --list
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["evalsuite"]):
    from fuzzing import TARGETS


def main() -> None:
    name, *arguments = sys.argv[1:]
    if name == "--list":
        sys.stdout.write("\n".join(TARGETS) + "\n")
        return
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
