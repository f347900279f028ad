"""What a Tesseract `traineddata` file says of itself: the characters that its network can answer with.

The file begins with the number of its parts and the offset of each, 0xffff…ff where a part is absent (`TessdataManager`
of Tesseract 4 and 5); the part `lstm-unicharset` lists the network's characters, one a line, each with properties.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LSTM_UNICHARSET = 21
_MOST_PARTS = 64
_MOST_LINES = 1_000_000


def characters_of(file: Path) -> frozenset[str] | None:
    """The characters and clusters that the network of a language's data can answer with, and the space.

    None where the file does not tell: then the reader itself will say what is wrong with it.
    """
    data = file.read_bytes()
    try:
        (parts,) = struct.unpack_from("<i", data)
        if not _LSTM_UNICHARSET < parts <= _MOST_PARTS:
            return None
        offsets = struct.unpack_from(f"<{parts}q", data, 4)
    except struct.error:
        return None
    start = offsets[_LSTM_UNICHARSET]
    if not 0 < start < len(data):
        return None
    ends = [offset for offset in offsets if start < offset <= len(data)]
    number, *lines = data[start : min(ends, default=len(data))].decode("utf-8", "replace").split("\n")
    if not number.isdigit() or not 0 < int(number) <= min(len(lines), _MOST_LINES):
        return None
    # The first three stand for no character (the space, "joined" and "broken"); NULL is how the space is written.
    found = {line.split(" ", 1)[0] for line in lines[: int(number)]}
    return frozenset(found - {"NULL", "Joined", "|Broken|0|1"}) | {" "}
