"""What a reader cannot read is said before hours of drawing, and refused where it makes a score mean nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from evalsuite import scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.wording import listed, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Prompt


def check_readable(prompts: Iterable[Prompt], engine: OcrEngine, profile: str = "standard") -> list[str]:
    """Notices of characters of the targets that the reader has no answer for: they count as wrong.

    A reader that states no alphabet (a vision-language model) is taken to read everything.

    Raises:
        EvalsuiteError: More than half the characters of a target are such: its prompt would measure the reader.
    """
    alphabet = getattr(engine, "alphabet", None)
    if alphabet is None:
        return []
    refused: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for prompt in prompts:
        missing = [scoring.beyond_alphabet(target, alphabet, profile) for target in prompt.targets]
        characters.update(character for each in missing for character in each)
        lost[prompt.suite] += sum(map(bool, missing))
        refused[prompt.suite] += any(
            2 * len(each) > len("".join(target.split())) for each, target in zip(missing, prompt.targets, strict=True)
        )
    if not characters:
        return []
    told = visible(" ".join(character for character, _ in characters.most_common(12)))
    more = f" and {len(characters) - 12} more" if len(characters) > 12 else ""
    if refused.total():
        where = listed([f"{count} prompts of {suite}" for suite, count in refused.items() if count])
        raise EvalsuiteError(
            f"the reader {engine.spec.name!r} cannot read {where}: its alphabet lacks {told}{more}, so that the score "
            "would be the reader's and not the model's; read them with an engine that knows the script (--ocr "
            "qwen2.5-vl, or --ocr tesseract:lang=… with the data of the language), or leave them out"
        )
    where = listed([f"{count} targets of {suite}" for suite, count in lost.items() if count])
    return [f"the reader {engine.spec.name!r} has no {told}{more}: they count as wrong in {where}"]
