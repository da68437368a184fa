"""Broken programs: those that netdsl ships, and those of its tests, with a few changes."""

from __future__ import annotations

import random
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LARGEST = 6_000
"""The characters of the largest program that is changed."""

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|\s+|->|[=!<>]=|\*\*|//|.", re.DOTALL)
_PROGRAM = re.compile(r"^```net\n(.*?)^```", re.MULTILINE | re.DOTALL)
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


class Seeds(list[list[str]]):
    """Programs as tokens, the shortest first; `sound` are those without a mistake."""

    sound: list[list[str]]


def mutated(chance: random.Random, seeds: Seeds) -> bytes:
    """One of the seeds with a few changes: of tokens, and of bytes in one of eight."""
    # Short ones are tried more often, being faster; and every other time one without a mistake.
    chosen = chance.choice((seeds, seeds.sound))
    tokens = list(chosen[int(len(chosen) * chance.random() ** 3)])
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
        _change(tokens, chance, seeds)
    data = bytearray("".join(tokens).encode("utf-8", "surrogatepass"))
    if data and not chance.randrange(8):
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def changed(data: bytes, chance: random.Random, seeds: Seeds) -> bytes:
    """Any input with one more change, for a fuzzer that keeps inputs of its own."""
    tokens = _TOKEN.findall(data.decode("utf-8", "replace")[:LARGEST])
    _change(tokens, chance, seeds)
    return "".join(tokens).encode("utf-8", "surrogatepass")


def _change(tokens: list[str], chance: random.Random, seeds: Seeds) -> None:
    if not tokens:
        tokens.append(chance.choice(_WORDS))
    place = chance.randrange(len(tokens))
    numbers = [index for index, token in enumerate(tokens) if token[0].isdecimal()]
    match chance.randrange(16):
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
        case number if number > 8:  # Mostly another word or number, so that much stays in order.
            words = [index for index, token in enumerate(tokens) if token[0].isidentifier()]
            chosen = chance.choice((numbers or words, words or numbers))
            if chosen:
                tokens[chance.choice(chosen)] = tokens[chance.choice(chosen)]
        case _:
            tokens[place] = chance.choice(_WORDS)


def read_seeds() -> Seeds:
    """The programs to start from: those that netdsl ships, of its pages and of its tests."""
    shipped = [*ROOT.glob("architectures/**/*.net"), *ROOT.glob("tests/examples/*.net")]
    sound = [_text(path) for path in sorted(shipped)]
    for page in sorted(ROOT.glob("netdsl/explain/*.md")):
        sound += _PROGRAM.findall(page.read_text("utf-8").partition("## ")[2].partition("## ")[2])
    tests = [path for path in ROOT.glob("tests/*/*/*.net") if "fuzz" not in path.parts]
    seeds = Seeds(_tokens([*sound, *map(_text, sorted(tests))]))
    seeds.sound = _tokens(sound)
    return seeds


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _tokens(texts: list[str]) -> list[list[str]]:
    return [_TOKEN.findall(text) for text in sorted(texts, key=len) if 0 < len(text) < LARGEST]
