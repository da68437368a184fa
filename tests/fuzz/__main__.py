"""`make fuzz INPUTS=100000`: broken programs through every static stage.

Shipped programs and those of tests/errors are mutated and taken from text to Flax source. Whatever
comes of it: no exception but diagnostics, every place inside its text, messages that can be shown,
and bounded time and memory. An input that breaks one of these is written to tests/fuzz/found; once
mended it becomes a case of tests/test_fuzz.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from netdsl.check import check_file, check_recipes, check_templates
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.emit import emit
from netdsl.network import load_file
from netdsl.render import render, to_json
from netdsl.report import as_json, table
from netdsl.source import Source, Span, UnreadableSource, decoded

ROOT = Path(__file__).parent.parent.parent
FOUND = Path(__file__).parent / "found"
SECONDS = 1.0
MEBIBYTES = 500
EMITTED_NODES = 200
"""The most layers of a network whose source is written too."""

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


class Broken(Exception):
    """A property does not hold; the message says which."""


def outcome(data: bytes) -> str:
    """What becomes of a program: "unreadable", "wrong" or "right". Raises Broken, or what fails."""
    try:
        source = Source("fuzz.net", decoded(data, "fuzz.net"))
    except UnreadableSource:
        return "unreadable"
    file, diagnostics = load_file(source)
    right = False
    if file is not None and not diagnostics:
        for verdict in check_file(file, {}):
            diagnostics += verdict.diagnostics
            if verdict.network is None:
                continue
            right = True
            json.dumps(as_json(verdict.network.report))
            table(verdict.network.report, all_layers=False, width=80)
            if len(verdict.network.graph.nodes) <= EMITTED_NODES:
                try:
                    compile(emit(verdict.network.graph), "emitted.py", "exec")
                except Fault as fault:
                    diagnostics += (fault.diagnostic,)
        diagnostics += check_templates(file) + check_recipes(file)
    for diagnostic in diagnostics:
        _see(diagnostic)
    shown = render(diagnostics, color=False)
    if any(not (each.isprintable() or each == "\n") for each in shown):
        raise Broken("a message has characters that act on a terminal")
    json.dumps([to_json(each) for each in diagnostics[:50]])
    return "right" if right else "wrong"


def _see(diagnostic: Diagnostic) -> None:
    spans: list[Span] = [diagnostic.span, *(each.span for each in diagnostic.labels)]
    spans += [each.span for each in diagnostic.trail]
    for span in spans:
        if not 0 <= span.start <= span.end <= len(span.source.text) + 1:
            raise Broken(f"{diagnostic.code} is at {span.start}-{span.end}, outside its text")


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
    texts = [path.read_bytes().decode("utf-8", "replace") for path in sorted(paths)]
    return [_TOKEN.findall(text) for text in sorted(texts, key=len) if 0 < len(text) < 6_000]


def run(inputs: int, seed: int, seconds: float) -> int:
    """Try so many inputs, or as many as the time allows; how many broke something."""
    seeds = read_seeds()
    seen: set[bytes] = set()
    outcomes: Counter[str] = Counter()
    slowest_s = 0.0
    start = time.monotonic()
    number = 0
    while number < inputs and time.monotonic() - start < seconds:
        data = mutated(random.Random(f"{seed}:{number}"), seeds)
        number += 1
        digest = hashlib.blake2b(data, digest_size=8).digest()
        if digest in seen:
            continue
        seen.add(digest)
        before = time.process_time()
        try:
            outcomes[outcome(data)] += 1
        except Exception:
            outcomes["broken"] += 1
            _keep(data, digest, traceback.format_exc())
        took_s = time.process_time() - before
        if took_s > slowest_s:
            slowest_s = took_s
        if took_s > SECONDS:
            outcomes["slow"] += 1
            _keep(data, digest, f"took {took_s:.2f} s\n")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall_s = time.monotonic() - start
    print(f"{number:,} inputs of seed {seed}, {len(seen):,} distinct, in {wall_s:,.0f} s")
    print(", ".join(f"{count:,} {what}" for what, count in sorted(outcomes.items())))
    print(f"slowest {slowest_s:.2f} s, peak memory {peak_mib:.0f} MiB")
    return outcomes["broken"] + outcomes["slow"] + (peak_mib > MEBIBYTES)


def _keep(data: bytes, digest: bytes, report: str) -> None:
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{digest.hex()}.net"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(report, "utf-8")
    print(f"{path}: {report.strip().splitlines()[-1][:200]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="fuzz", description="Broken programs, by the thousand.")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()
    sys.exit(1 if run(options.inputs, options.seed, options.seconds) else 0)


if __name__ == "__main__":
    main()
