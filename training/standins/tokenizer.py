"""The tokenizer of both stand-ins: words outside quotation marks, single characters inside.

It is an ordinary byte-level BPE `tokenizer.json`, so the unmodified pipelines load it. Two regular expressions
do the work. The normaliser turns straight quotes, by the number of quotes that follow, and corner brackets into
“ and ”. The pre-tokeniser then keeps a word whole only where the next quotation mark is not a closing one.
Bytes stand for whatever is not in the vocabulary, so that no text is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.standins.glyphs import NARROW, WIDE_SIGNS, hanzi

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
PAD, START, END = SPECIAL[:3]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
OPENING, CLOSING = "“", "”"
COLOURS = {
    "red": "红", "blue": "蓝", "green": "绿", "yellow": "黄", "black": "黑", "pink": "粉", "orange": "橙",
    "purple": "紫", "grey": "灰", "brown": "棕",
}  # fmt: skip
"""The first of these words outside quotation marks gives the paper its colour."""


def words() -> list[str]:
    """The English words of `words.txt`."""
    text = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8")
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def prompt_hanzi() -> str:
    """The 3,755 characters of GB 2312's first level, each one token also where it is not drawn."""
    rows = (bytes([row, cell]) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) if (row, cell) < (0xD7, 0xFA))
    return "".join(pair.decode("gb2312") for pair in rows)


def vocabulary() -> list[str]:
    """The tokens as text, in the order of their ids after the special tokens and the 256 bytes."""
    single = dict.fromkeys(NARROW + WIDE_SIGNS + OPENING + CLOSING + hanzi() + prompt_hanzi())
    pieces = [character for character in single if len(character.encode()) > 1]
    for word in words():
        pieces += [" " + word, word, word.capitalize(), " " + word.capitalize()]
    return list(dict.fromkeys(piece for piece in pieces if len(piece.encode()) > 1))


def build(*, chat: bool) -> Any:
    """A `PreTrainedTokenizerFast`: with FLUX.2 [klein]'s chat template, or ending every text with the end token."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    to_visible = bytes_to_visible()
    visible = {token: number for number, token in enumerate(SPECIAL)}
    for byte in range(256):
        visible[to_visible[byte]] = len(visible)
    for piece in vocabulary():
        visible.setdefault("".join(to_visible[byte] for byte in piece.encode()), len(visible))
    tokenizer = Tokenizer(models.BPE(vocab=visible, merges=[], ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex(r'"(?=(?:[^"]*"[^"]*")*[^"]*$)'), CLOSING),
            normalizers.Replace('"', OPENING),
            normalizers.Replace(Regex("[「『]"), OPENING),
            normalizers.Replace(Regex("[」』]"), CLOSING),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[A-Za-z]+(?![^“”]*”)|[\s\S]"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    if not chat:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 2)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=[START, "<think>", "</think>"],
        model_max_length=512,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    return fast


def bytes_to_visible() -> dict[int, str]:
    """The byte-level alphabet of GPT-2: printable Latin-1 stands for itself, the rest follows from U+0100."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(256 + number) for number, byte in enumerate(rest)}
