"""Published benchmarks as suites: two that ship, and those that are loaded from the user's copy of their files.

A benchmark ships where the licence of the repository that publishes it lets us carry it; else `NAME:FOLDER` reads the
published files, wherever the user has them. Either way the content must be the published one, by digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evalsuite.datafiles import data_dir
from evalsuite.records import SuiteRef
from evalsuite.suites.benchmarks import quoted, stated
from evalsuite.suites.benchmarks.base import Benchmark, Part
from evalsuite.suites.suite import Suite, SuiteError

__all__ = ["BENCHMARKS", "Benchmark", "Part", "is_published", "load", "names", "write_shipped"]


def _clone(repository: str, commit: str) -> str:
    return f"`git clone https://github.com/{repository} FOLDER` fetches them (read here at {commit[:7]})"


_TEXTPECKER = _clone("CIawevy/TextPecker", "e9cc98b1b19357221034a7296035ade7bac6c2c2")
_STRICT_LENGTHS = (20, 100, 500)

BENCHMARKS = (
    Benchmark(
        "lex-bench",
        "LeX-Bench, English: words in quotes after a caption",
        "LeX-Bench (arXiv 2503.21749, zhaoshitian/LeX-Art)",
        "Apache-2.0",
        _TEXTPECKER,
        tuple(
            Part(
                f"lex-bench-{level}",
                "en",
                (f"eval/LeX-Bench/lex_bench_{level}.json",),
                stated.lex,
            )
            for level in ("easy", "medium", "hard")
        ),
        ships=True,
    ),
    Benchmark(
        "unigenbench",
        "UniGenBench++, the short prompts with a text-generation point",
        "UniGenBench++ (arXiv 2508.20751, CodeGoat24/UniGenBench)",
        "CC BY 4.0, Tencent",
        _clone("CodeGoat24/UniGenBench", "49d0bcebb0b9418d975d3957c2fee10f34811d14"),
        tuple(
            Part(
                f"unigenbench-{language}",
                language,
                (f"data/test_prompts_{language}.csv",),
                quoted.unigenbench(language),
                "row 575 left out, since it names no text" if language == "en" else "",
            )
            for language in ("en", "zh")
        ),
        ships=True,
    ),
    Benchmark(
        "gentexteval",
        "GenTextEval: prompts of its own, of OneIG-Bench, CVTG-2K and LongText-Bench",
        "GenTextEval (TextPecker, arXiv 2602.20903, CIawevy/TextPecker)",
        "no licence for all rows: 348 of 733 come from OneIG-Bench, CVTG-2K and LongText-Bench",
        _TEXTPECKER,
        tuple(
            Part(
                f"gentexteval-{language}",
                language,
                (f"eval/GenTextEval/GenTextEval_{language}.jsonl",),
                stated.gentexteval,
            )
            for language in ("en", "zh")
        ),
    ),
    Benchmark(
        "wegen",
        "WeGenBench-Text: 1,000 prompts a language, four levels of difficulty",
        "WeGenBench (arXiv 2606.20100, WeChatCV/WeGenBench)",
        "CC BY-NC 4.0",
        _clone("WeChatCV/WeGenBench", "87c3c76e2fb7b6f5551b2e5e7f514b297a60a1a4"),
        tuple(
            Part(f"wegen-{language}", language, (f"data/prompts/wegenbench_text_{file}.jsonl",), stated.wegen)
            for language, file in (("en", "en"), ("zh", "cn"))
        ),
    ),
    Benchmark(
        "oneig",
        "OneIG-Bench, its text prompts",
        "OneIG-Bench (arXiv 2506.07977, OneIG-Bench/OneIG-Benchmark)",
        "no licence",
        _clone("OneIG-Bench/OneIG-Benchmark", "41b49831e79e6dde5323618c164da1c4cf0f699d"),
        tuple(
            Part(f"oneig-{language}", language, (f"scripts/text/{file}.csv",), stated.oneig(column))
            for language, file, column in (
                ("en", "text_content", "prompt_en"),
                ("zh", "text_content_zh", "prompt_cn"),
            )
        ),
    ),
    Benchmark(
        "cvtg",
        "CVTG-2K: two to five texts in one picture",
        "CVTG-2K (TextCrafter, arXiv 2503.23461)",
        "no licence",
        _TEXTPECKER,
        (
            Part(
                "cvtg-2k",
                "en",
                tuple(
                    f"eval/TextCrafter/CVTG-2K/{kind}/{regions}.json"
                    for kind in ("CVTG", "CVTG-Style")
                    for regions in range(2, 6)
                ),
                quoted.cvtg,
            ),
        ),
    ),
    Benchmark(
        "tiif",
        "TIIF-Bench, its text prompts",
        "TIIF-Bench (arXiv 2506.02161, A113N-W3I/TIIF-Bench)",
        "no licence",
        _clone("A113N-W3I/TIIF-Bench", "3aae7504d2546516eaec2fea82fde9ae445dfea3"),
        tuple(
            Part(
                f"tiif-{kind}",
                "en",
                ("data/test_prompts/text_prompts.jsonl", "data/test_eval_prompts/text_eval_prompts.jsonl"),
                quoted.tiif(f"{kind}_description"),
            )
            for kind in ("short", "long")
        ),
    ),
    Benchmark(
        "textatlas",
        "TextAtlasEval: long and dense English text",
        "TextAtlasEval (arXiv 2502.07870, CSU-JPG/TextAtlas)",
        "no licence",
        _TEXTPECKER,
        tuple(
            Part(f"textatlas-{kind}", "en", (f"eval/TextAtlasEval/{kind}.json",), stated.text_atlas, skipped)
            for kind, skipped in (
                ("cleantextsynth", ""),
                ("styledtextsynth", ""),
                ("textsceneshq", ""),
                ("textvisionblend", "one row left out, since it wants no text drawn"),
            )
        ),
    ),
    Benchmark(
        "strict",
        "STRICT: the first characters of Wikipedia passages on a typed page",
        "STRICT (arXiv 2505.18985, tianyu-z/STRICT-Bench)",
        "no licence",
        _clone("tianyu-z/STRICT-Bench", "921ddb182fe4609c709a2ca3f8f155b0000b0920"),
        tuple(
            Part(
                f"strict-{language}-{length}",
                language,
                (f"text_data/{language}.json",),
                stated.strict(length),
            )
            for language in ("en", "fr", "zh")
            for length in _STRICT_LENGTHS
        ),
    ),
)

_PARTS = {part.suite: (benchmark, part) for benchmark in BENCHMARKS for part in benchmark.parts}
_GROUPS = {benchmark.name: benchmark for benchmark in BENCHMARKS}


def names() -> tuple[str, ...]:
    """What can be named: each benchmark, and each of its suites."""
    return (*_GROUPS, *_PARTS)


def is_published(ref: SuiteRef) -> bool:
    """True for a suite of a published benchmark, by name and digest."""
    return ref.name in _PARTS and _PARTS[ref.name][1].digest == ref.digest


def load(name: str) -> tuple[Suite, ...]:
    """The suites that `lex-bench`, `lex-bench-easy` or `wegen-en:FOLDER` stands for.

    Raises:
        SuiteError: for an unknown name, where a folder is needed and none is named, or where the content is another.
    """
    wanted, colon, folder = name.partition(":")
    if wanted in _GROUPS:
        chosen = [(_GROUPS[wanted], part) for part in _GROUPS[wanted].parts]
    elif wanted in _PARTS:
        chosen = [_PARTS[wanted]]
    else:
        raise SuiteError(f"unknown suite {wanted!r}")
    if folder:
        return tuple(benchmark.load_part(part, Path(folder).expanduser()) for benchmark, part in chosen)
    benchmark = chosen[0][0]
    if colon or not benchmark.ships:
        why = "" if benchmark.ships else f"{benchmark.title} does not ship with evalsuite ({benchmark.licence}). "
        raise SuiteError(
            f"{name}: {why}Name the folder with the published files after the colon, e.g. --suite {wanted}:/data/"
            f"{wanted}; {benchmark.how_to_get}"
        )
    return tuple(_shipped(benchmark, part) for benchmark, part in chosen)


def _shipped(benchmark: Benchmark, part: Part) -> Suite:
    from evalsuite.suites.load import load_file

    path = data_dir() / "suites" / "published" / f"{part.suite}.jsonl"
    found = load_file(path)
    suite = replace(found, description=f"{benchmark.title} ({benchmark.licence})", source=f"evalsuite:{part.suite}")
    if suite.digest != part.digest:
        raise SuiteError(f"{path}: it is not the file that ships with evalsuite; install evalsuite anew")
    return suite


def write_shipped(name: str, target: Path) -> Sequence[Path]:
    """Convert a benchmark that ships from its published files (`NAME:FOLDER`): one JSON Lines file a suite.

    Raises:
        SuiteError: as `load` does; a benchmark whose licence does not let us carry it is refused.
    """
    from evalsuite.files import write_atomically
    from evalsuite.records import encode

    wanted, _, folder = name.partition(":")
    if not folder or not any(
        each.ships and wanted in (each.name, *(p.suite for p in each.parts)) for each in BENCHMARKS
    ):
        raise SuiteError(f"{name}: only lex-bench:FOLDER and unigenbench:FOLDER are converted for shipping")
    written = []
    for suite in load(name):
        rows = [
            {key: getattr(prompt, key) for key in ("id", "language", "category", "length", "text", "targets")}
            for prompt in suite.prompts
        ]
        path = target / f"{suite.name}.jsonl"
        write_atomically(path, b"".join(encode(row) + b"\n" for row in rows))
        written.append(path)
    return written
