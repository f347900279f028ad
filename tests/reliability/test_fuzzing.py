"""Every parser with arbitrary bytes, and with bytes that look like what it reads; longer in `nox -s soak`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import fuzzing

PIECES = {
    ".yaml": ["suite: s\n", "language: en\n", "prompts:\n", "  - ", "id: a", ", ", "text: 'A \"B\"'", "targets: ",
              "[B]", "{", "}", "\n", "!!int ", "&x ", "*x", "2001-02-30", "? ", "|\n ", "\x07", "\u2028", "- ", "0x",
              "1e999"],
    ".csv": ["image", "prompt", "target", "seed", ",", ";", "\t", '"', '""', "\n", "\r", "\r\n", "a.png", "-1", "\x00",
             "../a.png", "é", "\u2028", "a" * 200_000],
    ".jsonl": ['{"image": "a.png"', ', "prompt": "p"', ', "targets": ["A"]', "}", "\n", "[", "]", "NaN", "1e999",
               "\\ud800", '"', ",", ":", '"id"', '"text": "A B"', "\u2028", "9" * 5000, "{"],
    ".toml": ["format = 1\n", "name = ", '"x"', "[[gates]]\n", "margin = 0.02\n", "[", "]", "=", "nan", "\n", "{", "}",
              "9" * 5000, "2001-02-30", "1979-05-27T07:32:00Z", '"""', "base = ", "'", "."],
    ".json": ['{"', '": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": ', '"a"', ", ", "}", "]", "[", ": ",
              "1e400", "9" * 400, "null", '"prompt": "A \'B\' \\"C\\""', '"index": 1', "NaN",
              '{"dtype": "F32", "shape": [',
              '"data_offsets": [0, 4]}', '"lora_alpha": ', '"alpha_pattern": ', '"num_layers": ',
              '"choices": [{"message": '],
    "": ['{"key": "a"', ', "model": "m"', ', "lines": [', "]", "}", "\n", "NaN", "Infinity", '"format": 1', ", ", "{",
         "null", '"\\ud800"', "1e999", '"seeds": [0]'],
}  # fmt: skip
EXAMPLES = int(os.environ.get("EVALSUITE_FUZZ_EXAMPLES", "12"))


@pytest.mark.parametrize("name", fuzzing.TARGETS)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_bytes_end_in_a_value_or_in_one_error(name, data):
    suffix = {".yml": ".yaml"}.get(Path(name).suffix, Path(name).suffix)
    pieces = PIECES.get(suffix, PIECES[".json"] + PIECES[""])
    alike = st.lists(st.sampled_from(pieces) | st.text(max_size=5), max_size=20).map(
        lambda parts: "".join(parts).encode("utf-8", errors="surrogatepass")
    )
    fuzzing.TARGETS[name](data.draw(alike | st.binary(max_size=400)))
