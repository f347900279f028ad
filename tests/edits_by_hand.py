"""A suite of two edits, and a reader that knows what can stand on its pictures: exact readings in no time."""

from __future__ import annotations

import numpy as np

from evalsuite.models.typeset.sources import make_picture
from evalsuite.ocr import proof
from evalsuite.records import OcrSpec, TextLine

SUITE = """\
suite: edits
language: en
prompts:
  - id: sale
    text: Change "SALE" to "GONE".
    source: printed
    size: 256x256
    lines: [SALE, Open daily, Ring twice]
    old: [SALE]
    targets: [GONE]
  - id: noodles
    text: Let the sign read "DUMPLINGS" in place of NOODLES.
    source: styled
    size: 320x256
    lines: [NOODLES, Since 1987]
    old: [NOODLES]
    targets: [DUMPLINGS]
"""


def corners(box):
    left, top, right, bottom = box
    return (left, top), (right, top), (right, bottom), (left, bottom)


class KnowingReader:
    """Reads each line of a source picture where its box is as it was, the new text where the old one's box is not."""

    spec = OcrSpec(name="paddle", weights_digest="e" * 64)

    def __init__(self, prompts):
        self.pages = {}
        for prompt in prompts:
            image, lines = make_picture(prompt.editing.made)
            self.pages[image.size] = np.asarray(image), lines, prompt

    def read(self, image):
        if image.size == proof.page().size:
            return (TextLine(text=proof.TEXT),)
        before, lines, prompt = self.pages[image.size]
        after = np.asarray(image)
        found = []
        for line in lines:
            left, top, right, bottom = line.box
            there = slice(top, bottom), slice(left, right)
            same = np.array_equal(before[there], after[there])
            text = line.text if same else prompt.targets[0] if line.text in prompt.editing.old else "#" * len(line.text)
            found.append(TextLine(text=text, polygon=corners(line.box), confidence=0.9))
            under = slice(bottom + 2, bottom + 2 + bottom - top), slice(left, right)
            over = slice(max(0, top - 2 - (bottom - top)), top - 2), slice(left, right)
            if same and line.text in prompt.editing.old:
                for beside in (under, over):
                    if not np.array_equal(before[beside], after[beside]):
                        box = (left, beside[0].start, right, beside[0].stop)
                        found.append(TextLine(text=prompt.targets[0], polygon=corners(box), confidence=0.9))
        return tuple(found)
