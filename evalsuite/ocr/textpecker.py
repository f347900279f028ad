"""TextPecker behind an OpenAI-compatible server: a reader that was trained to mark malformed characters.

Zhu et al., TextPecker, arXiv 2602.20903 (CVPR 2026); question, image format and generation settings are those of
`eval/TextPecker_eval/textpecker_eval_server.py` of CIawevy/TextPecker at 460016c (Apache-2.0). It writes `<#>` for a
malformed character and `<###>` for a malformed word. A reading keeps them as `MALFORMED`, once and three times, a
character that no target may hold, so that it counts as wrong wherever it stands.
"""

from __future__ import annotations

import json
import re

from evalsuite.ocr.base import OcrError
from evalsuite.ocr.many import lines_of
from evalsuite.ocr.served import Manner, ServedReader
from evalsuite.records import MALFORMED, TextLine

NAME = "textpecker"
MODEL = "TextPecker"

_ASKED = (
    "This is a text-generated image. Please recognize all visible text in the entire image.\n"
    "Marking rules: \n"
    "1. Use <#> for structurally flawed (e.g., extra/missing strokes, distortion) unrecognizable Chinese characters or "
    "single English letters;\n"
    "2. Use <###> exclusively for structurally flawed unrecognizable single English words (not multi-word phrases, "
    "lines, or sentences).\n"
    "Output in the following JSON format:\n"
    '{\n"recognized_text": "All text in the image (including structural error markers)"\n}\n'
)
PROMPT = f"\n{_ASKED}".replace("\n", "\n" + 8 * " ")
"""The question as it is published, its margins included."""

_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


def marked_lines(answer: str) -> tuple[TextLine, ...]:
    """The lines of an answer, with `MALFORMED` for its marks.

    The answer is a JSON object with a text, or a list of texts, under `recognized_text`; fences around it and words
    after it are left aside, as the published evaluator does. What cannot be parsed is no reading: the evaluator scores
    it as 0 in one place and leaves it out of the mean in another.

    Raises:
        OcrError: The answer is no such object.
    """
    fenced = _FENCED.search(answer)
    text = (fenced[1] if fenced else answer).strip()
    try:
        found = json.loads(text[: text.rfind("}") + 1], strict=False)  # line breaks may stand in its texts as they are
        read = found["recognized_text"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OcrError(f"not the JSON object with 'recognized_text' that was asked for: {answer[:200]!r}") from None
    if isinstance(read, list) and all(isinstance(each, str) for each in read):
        read = "\n".join(read)
    if not isinstance(read, str):
        raise OcrError(f"'recognized_text' is no text: {answer[:200]!r}")
    return lines_of(read.replace("<###>", 3 * MALFORMED).replace("<#>", MALFORMED))


MANNER = Manner(
    option=NAME,
    engine=f"{NAME}-served",
    model=MODEL,
    prompt=PROMPT,
    max_tokens=2048,
    generation={"temperature": 0.0, "repetition_penalty": 1.2},
    image="JPEG",
    lines=marked_lines,
)


def parse(arguments: str) -> ServedReader:
    """The reader for `server=URL[,model=NAME][,concurrency=N][,attempts=N][,timeout=SECONDS]`.

    Raises:
        EvalsuiteError: No server is named, or see `ServedReader.parse`.
    """
    return ServedReader.parse(arguments, MANNER)
