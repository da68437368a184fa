"""The engine that keeps inputs which reach new code, and changes those: atheris, of libFuzzer.

    pip install atheris
    python -m tests.fuzz --engine atheris --inputs 100000

It has wheels for some Pythons and systems only, so that nothing else depends on it.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What is looked at has to be imported under its eyes, thus in a process of its own.
_CHILD = """
import sys
import atheris
with atheris.instrument_imports(include=["netdsl", "lark"]):
    from tests.fuzz import __main__, guided
guided.listen(atheris, sys.argv[1:])
"""

_REPORT_EVERY = 500
"""Inputs between two writings of the figures, as libFuzzer ends the process without a word."""
_SLOW_S = 10.0
"""Code that is looked at takes several times longer, which says nothing about the code."""


def run_guided(inputs: int, seed: int, seconds: float) -> int:
    """Try so many inputs, or as many as the time allows; how many broke something."""
    from tests.fuzz.__main__ import Batch, report
    from tests.fuzz.mutations import ROOT, read_seeds

    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, tokens in enumerate(read_seeds()):
            (corpus / f"{number}.net").write_bytes("".join(tokens).encode())
        figures = Path(folder, "figures.json")
        options = [str(figures), str(corpus), f"-runs={inputs}", f"-seed={seed}", "-timeout=60"]
        options += ["-max_len=6000", "-verbosity=0"]
        if seconds < float("inf"):
            options.append(f"-max_total_time={seconds:.0f}")
        ended = subprocess.run([sys.executable, "-c", _CHILD, *options], cwd=ROOT, check=False)
        if not figures.exists():
            print(f"atheris did not begin (exit code {ended.returncode}): pip install atheris")
            return 1
        return report([Batch(**json.loads(figures.read_text()))]) + (ended.returncode != 0)


def listen(atheris: object, options: list[str]) -> None:
    """Be the process that atheris works in."""
    from netdsl import __version__
    from tests.fuzz.__main__ import Batch, bound_memory, tried
    from tests.fuzz.mutations import changed, read_seeds

    figures = Path(options[0])
    seeds = read_seeds()
    outcomes: dict[str, int] = {}
    slowest_s, slowest_whole_s, begun_s = 0.0, 0.0, time.monotonic()

    def write() -> None:
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        batch = Batch(
            __version__,
            0,
            0,
            sum(outcomes.values()),
            outcomes,
            round(slowest_s, 3),
            round(slowest_whole_s, 3),
            round(peak_mib),
            round(time.monotonic() - begun_s, 1),
        )
        figures.write_text(json.dumps(batch._asdict()))

    def one(data: bytes) -> None:
        nonlocal slowest_s, slowest_whole_s
        result, command_s, whole_s = tried(data, _SLOW_S)
        outcomes[result] = outcomes.get(result, 0) + 1
        slowest_s, slowest_whole_s = max(slowest_s, command_s), max(slowest_whole_s, whole_s)
        if sum(outcomes.values()) % _REPORT_EVERY == 0:
            write()

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.randrange(4) == 0:
            return atheris.Mutate(data, max_size)[:max_size]  # type: ignore[attr-defined]
        return changed(data, chance, seeds)[:max_size]

    write()
    bound_memory()
    atheris.Setup([sys.argv[0], *options[1:]], one, custom_mutator=mutate)  # type: ignore[attr-defined]
    atheris.Fuzz()  # type: ignore[attr-defined]
