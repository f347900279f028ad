"""The prompt enhancer of `ernie-image-micro`: a language model that copies the prompt and adds a sentence.

It is a `Ministral3ForCausalLM` whose weights are written down, not trained, so that it copies without fail and every
target survives. The chat template lays out `preamble START prompt sentence END preamble START`; the model does what
induction heads do (Olsson et al., 2022, "In-context Learning and Induction Heads"): it finds the place whose preceding
bytes are the last 31 that stand here, and says what came next there, up to END. Only a prompt that repeats more
than 31 bytes can mislead it.

Five layers gather the context: each attends exactly 1, 2, 4, 8 or 16 positions back, by the rotary phases alone, and
takes over the bytes that are known there. The sixth matches the contexts and fetches the next byte. Bytes are
codewords of the shortened Hamming code [12, 8, 3] as ±1, so that two different ones agree to at most a half; of those
further back than seven only the low four bits are kept. The rotary base is so large that all but the first phases
stand still.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from training.standins.tokenizer import bytes_to_visible

SENTENCE = " Clean, evenly spaced lettering."
"""What is added to every prompt."""
PREAMBLE = "Rewrite the prompt for the painter: "
PAD, START, END = "<|pad|>", "<|start|>", "<|end|>"
SPECIAL = (PAD, START, END)
# The pipeline sends {"prompt": "…", "width": w, "height": h}; inside, JSON escapes quotation marks and backslashes.
# The pipeline sends {"prompt": "…", "width": w, "height": h}; inside, JSON escapes quotation marks and backslashes.
TEMPLATE = (
    "{% for message in messages %}{% set text = message['content'][12:].split('\", \"width\": ')[0] %}"
    + PREAMBLE
    + START
    + r"""{{ text.replace('\\\\', '<|pad|>').replace('\\"', '"').replace('\\n', '\n').replace('<|pad|>', '\\') }}"""
    + SENTENCE
    + END
    + "{% endfor %}"
    + PREAMBLE
    + START
)
BITS = 12
CODE = BITS + 2
"""A near byte: twelve bits, then one dimension each for START and END."""
NEAR, FAR = 8, 24
"""How many bytes are known in full, this one included, and how many more by their low four bits."""
LOW = 4
CONSTANT = NEAR * CODE + FAR * LOW
OUTPUT = CONSTANT + 1
HIDDEN = 224
HEAD = 232
THETA = 1e36
MOVING = 17
"""Rotary pairs from this one on turn by less than 0.02 over 3,000 positions; those before tell offsets apart."""


def tokenizer() -> Any:
    """Bytes and three special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    visible = bytes_to_visible()
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *(visible[byte] for byte in range(256))])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=END, extra_special_tokens=[START],
        model_max_length=1100, clean_up_tokenization_spaces=False,
    )  # fmt: skip
    fast.chat_template = TEMPLATE
    return fast


def codes() -> Any:
    """The unit code of every token, tokens × `CODE`."""
    table = torch.zeros(len(SPECIAL) + 256, CODE)
    table[1, BITS], table[2, BITS + 1] = 1.0, 1.0
    # Any two columns of weight two or more differ, which makes the distance three.
    columns = [column for column in range(16) if column.bit_count() >= 2][:8]
    for byte in range(256):
        parity = 0
        for bit, column in enumerate(columns):
            parity ^= column if byte >> bit & 1 else 0
        word = byte | parity << 8
        table[len(SPECIAL) + byte, :BITS] = torch.tensor([1.0 if word >> bit & 1 else -1.0 for bit in range(BITS)])
    table[len(SPECIAL) :] /= math.sqrt(BITS)
    return table


@torch.no_grad()
def model() -> Any:
    """The language model with its weights written down, in float32."""
    from transformers import Ministral3Config, Ministral3ForCausalLM

    rope = {"rope_type": "yarn", "factor": 1.0, "rope_theta": THETA, "llama_4_scaling_beta": 0.0,
            "original_max_position_embeddings": 8192}  # fmt: skip
    config = Ministral3Config(
        vocab_size=len(SPECIAL) + 256, hidden_size=HIDDEN, intermediate_size=8, num_hidden_layers=6,
        num_attention_heads=1, num_key_value_heads=1, head_dim=HEAD, max_position_embeddings=8192,
        tie_word_embeddings=False, rope_parameters=rope, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    made = Ministral3ForCausalLM(config).eval()
    for name, parameter in made.named_parameters():
        parameter.fill_(1.0 if "norm" in name else 0.0)
    table = codes()
    made.model.embed_tokens.weight[:, :CODE] = table
    made.model.embed_tokens.weight[:, CONSTANT] = 1.0
    layers = list(made.model.layers)
    for layer, offset in zip(layers, (1, 2, 4, 8, 16), strict=False):
        _gather(layer, offset, made.model.rotary_emb.inv_freq)
    _match(layers[-1])
    # Every byte and the constant have length one, and so has what the last layer fetched.
    made.model.norm.weight.fill_(math.sqrt((NEAR + FAR + 2) / HIDDEN))
    made.lm_head.weight[:, OUTPUT : OUTPUT + CODE] = 60.0 * table
    return made


def _place(byte: int) -> tuple[int, int]:
    """Where the byte so many steps back stands in the hidden state, and in how many dimensions."""
    return (byte * CODE, CODE) if byte < NEAR else (NEAR * CODE + (byte - NEAR) * LOW, LOW)


def _low_bits(byte: int) -> tuple[int, float]:
    """Where the low bits of a byte stand, and what makes a vector of them as long as a whole byte."""
    return _place(byte)[0], math.sqrt(BITS / LOW) if byte < NEAR else 1.0


def _gather(layer: Any, offset: int, frequencies: Any) -> None:
    """Take over the `offset` bytes that are known `offset` steps back."""
    layer.input_layernorm.weight.fill_(math.sqrt((offset + 1) / HIDDEN))
    attention = layer.self_attn
    # With these, the logit is 60 · Σ cos(f · (distance - offset)) over the moving pairs.
    size = math.sqrt(60.0 * math.sqrt(HEAD))
    for pair in range(MOVING):
        angle = offset * float(frequencies[pair])
        attention.q_proj.weight[pair, CONSTANT] = size * math.cos(angle)
        attention.q_proj.weight[pair + HEAD // 2, CONSTANT] = -size * math.sin(angle)
        attention.k_proj.weight[pair, CONSTANT] = size
    channel = 0
    for byte in range(offset):
        (source, stretch), (target, count) = (_place(byte)[0], 1.0), _place(byte + offset)
        if count == LOW:
            source, stretch = _low_bits(byte)
        for index in range(count):
            attention.v_proj.weight[channel, source + index] = stretch
            attention.o_proj.weight[target + index, channel] = 1.0
            channel += 1


def _match(layer: Any) -> None:
    """Attend where the bytes before a position are the last ones of this one; fetch that position's byte."""
    layer.input_layernorm.weight.fill_(math.sqrt((NEAR + FAR + 1) / HIDDEN))
    attention = layer.self_attn
    still = iter([pair + half for pair in range(MOVING, HEAD // 2) for half in (0, HEAD // 2)])
    # 40 to the logit for every byte that agrees.
    size = math.sqrt(40.0 * math.sqrt(HEAD))
    for byte in range(NEAR + FAR - 1):
        (source, stretch), (target, count) = (_place(byte)[0], 1.0), _place(byte + 1)
        if count == LOW:
            source, stretch = _low_bits(byte)
        for index, channel in zip(range(count), still, strict=False):
            attention.q_proj.weight[channel, source + index] = size * stretch
            attention.k_proj.weight[channel, target + index] = size
    for index in range(CODE):
        attention.v_proj.weight[index, index] = 1.0
        attention.o_proj.weight[OUTPUT + index, index] = 1.0
