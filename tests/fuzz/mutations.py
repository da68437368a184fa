"""Broken programs: those that netdsl ships, and those of its tests, with a few changes."""

from __future__ import annotations

import random
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LARGEST = 6_000
"""The characters of the largest program that is changed."""

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|\s+|->|[=!<>]=|\*\*|//|.", re.DOTALL)
_NUMBERS = (
    *("0", "1", "2", "3", "-1", "7", "64", "1000", "100_000", "1_000_000_000_000"),
    *("9223372036854775807", "2_147_483_648", "0.5", "1e300", "3x3", "2x", "0x0", "5M", "2 ** 63"),
)
_WORDS = (
    *("repeat", "residual", "from", "concat", "add", "if", "else", "let", "in", "out", "as", "for"),
    *("in.shape", "in.channels", "aux", "claim", "assert", "default", "H", "true", "[", "]", "{"),
    *("}", "(", ")", "->", "|", ":", '"', '"""', "#", "\n", ";", "where", "H % 2 == 0", "range(9)"),
)
_CHARACTERS = "\x00\x1b\r\t\u202e\u200b\ufeffé×→\U0001f600\ud800\\\"'`"


def mutated(chance: random.Random, seeds: list[list[str]]) -> bytes:
    """One of the seeds with a few changes: of tokens, and of bytes in one of eight."""
    # Short ones are tried more often, being faster.
    tokens = list(seeds[int(len(seeds) * chance.random() ** 3)])
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
        _change(tokens, chance, seeds)
    data = bytearray("".join(tokens).encode("utf-8", "surrogatepass"))
    if data and not chance.randrange(8):
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def changed(data: bytes, chance: random.Random, seeds: list[list[str]]) -> bytes:
    """Any input with one more change, for a fuzzer that keeps inputs of its own."""
    tokens = _TOKEN.findall(data.decode("utf-8", "replace")[:LARGEST])
    _change(tokens, chance, seeds)
    return "".join(tokens).encode("utf-8", "surrogatepass")


def _change(tokens: list[str], chance: random.Random, seeds: list[list[str]]) -> None:
    if not tokens:
        tokens.append(chance.choice(_WORDS))
    place = chance.randrange(len(tokens))
    numbers = [index for index, token in enumerate(tokens) if token[0].isdecimal()]
    match chance.randrange(9):
        case 0:
            del tokens[place : place + chance.choice((1, 1, 2, 5, 20))]
        case 1:
            other = chance.randrange(len(tokens))
            tokens[place], tokens[other] = tokens[other], tokens[place]
        case 2:
            tokens.insert(place, chance.choice(_WORDS))
        case 3 if numbers:
            tokens[chance.choice(numbers)] = chance.choice(_NUMBERS)
        case 4:
            other = chance.choice(seeds)
            start = chance.randrange(len(other))
            tokens[place:place] = other[start : start + chance.choice((1, 3, 10, 40))]
        case 5:
            tokens[place] = chance.choice(tokens)
        case 6:
            tokens[place:place] = tokens[place : place + chance.choice((1, 3, 10))] * 2
        case 7:
            tokens.insert(place, chance.choice(_CHARACTERS))
        case _:
            tokens[place] = chance.choice(_WORDS)


def read_seeds() -> list[list[str]]:
    """The programs to start from, as tokens, the shortest first."""
    paths = [*ROOT.glob("architectures/**/*.net"), *ROOT.glob("tests/**/*.net")]
    paths = [path for path in paths if "fuzz" not in path.parts]
    texts = [path.read_bytes().decode("utf-8", "replace") for path in sorted(paths)]
    return [_TOKEN.findall(text) for text in sorted(texts, key=len) if 0 < len(text) < LARGEST]
