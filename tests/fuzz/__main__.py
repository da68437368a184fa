"""`make fuzz INPUTS=100000`: broken programs through every static stage.

Shipped programs and those of tests/errors are mutated and taken from text to Flax source. Whatever
comes of it: no exception but diagnostics, every place inside its text, messages that can be shown,
and bounded time and memory. An input that breaks one of these is written to tests/fuzz/found; once
mended it goes to tests/fuzz/corpus, which tests/test_fuzz.py replays.

`--ledger FILE` notes each batch, so that a run that ended goes on where it was; `--total FILE` adds
the batches up. `--engine atheris` lets the code that an input reaches guide the next, where
`pip install atheris` works.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from netdsl import __version__
from tests.fuzz.mutations import mutated, read_seeds
from tests.fuzz.properties import outcome

FOUND = Path(__file__).parent / "found"
SECONDS = 1.0
MEBIBYTES = 500
AGAIN = 2
"""How often an input that seems slow is tried again, as it may be the machine that was busy."""
BATCH = 10_000
"""Inputs between two lines of the ledger."""
THOROUGH = 4
"""One of so many inputs is costed, compiled, linted, formatted and fixed too, which takes longer
than checking all of them."""


class Batch(NamedTuple):
    """What came of some inputs of a seed: a line of the ledger."""

    version: str
    seed: int
    first: int
    inputs: int
    outcomes: dict[str, int]
    slowest_s: float
    """The most CPU time that one command would take for one of them."""
    slowest_whole_s: float
    """The same of all commands together."""
    peak_mib: float
    wall_s: float


class Tried(NamedTuple):
    """What became of an input, "broken" and "slow" included; CPU time of the slowest command, and
    of all that was done with it."""

    result: str
    command_s: float
    whole_s: float


def tried(data: bytes, slow_s: float = SECONDS) -> Tried:
    """Take one input through all stages; it is slow where a single command would be, each time."""
    digest = hashlib.blake2b(data, digest_size=8).digest()
    before_s = time.process_time()
    commands_s: dict[str, float] = {}
    try:
        result, commands_s = outcome(data, thorough=digest[0] % THOROUGH == 0)
        whole_s = time.process_time() - before_s
        for _ in range(AGAIN):
            if max(commands_s.values(), default=0.0) > slow_s:
                again_s = outcome(data, thorough=digest[0] % THOROUGH == 0).commands_s
                # A program that was checked faster may be fixed, too.
                commands_s = {
                    name: min(each_s, commands_s.get(name, each_s))
                    for name, each_s in again_s.items()
                }
    except Exception:
        result = "broken"
        whole_s = time.process_time() - before_s
        _keep(data, digest, traceback.format_exc())
    command_s = max(commands_s.values(), default=0.0)
    if command_s > slow_s:
        taken = ", ".join(f"{name} {each_s:.2f} s" for name, each_s in commands_s.items())
        _keep(data, digest, f"took {taken}\n")
        result = "slow"
    return Tried(result, command_s, whole_s)


def process_peak_mib() -> float:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(
    inputs: int, seed: int, seconds: float, ledger: Path | None = None, batch: int = BATCH
) -> int:
    """Try so many inputs, or as many as the time allows; how many broke something."""
    seeds = read_seeds()
    start = time.monotonic()
    number = first = _next(ledger, seed)
    batches: list[Batch] = []
    digests: list[bytes] = []
    while number < first + inputs and time.monotonic() - start < seconds:
        begun, begun_s = number, time.monotonic()
        outcomes: Counter[str] = Counter()
        slowest_s = slowest_whole_s = 0.0
        while number < min(begun + batch, first + inputs) and time.monotonic() - start < seconds:
            data = mutated(random.Random(f"{seed}:{number}"), seeds)
            digests.append(hashlib.blake2b(data, digest_size=8).digest())
            result, command_s, whole_s = tried(data)
            outcomes[result] += 1
            slowest_s, slowest_whole_s = max(slowest_s, command_s), max(slowest_whole_s, whole_s)
            number += 1
        peak_mib = process_peak_mib()
        wall_s = time.monotonic() - begun_s
        batches.append(
            Batch(
                __version__,
                seed,
                begun,
                number - begun,
                dict(outcomes),
                round(slowest_s, 3),
                round(slowest_whole_s, 3),
                round(peak_mib),
                round(wall_s, 1),
            )
        )
        if ledger is not None:
            with ledger.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(batches[-1]._asdict()) + "\n")
            with ledger.with_suffix(".digests").open("ab") as file:
                file.write(b"".join(digests))
            digests.clear()
    return report(batches, len(set(digests)) if ledger is None else None)


def _next(ledger: Path | None, seed: int) -> int:
    """The first input of a seed that the ledger does not have."""
    if ledger is None or not ledger.exists():
        return 0
    return max((each.first + each.inputs for each in read(ledger) if each.seed == seed), default=0)


def read(ledger: Path) -> list[Batch]:
    lines = ledger.read_text("utf-8").splitlines()
    return [Batch(**json.loads(line)) for line in lines]


def report(batches: list[Batch], distinct: int | None = None) -> int:
    """Print what came of all batches; how many inputs broke something."""
    outcomes: Counter[str] = Counter()
    for each in batches:
        outcomes.update(each.outcomes)
    inputs = sum(each.inputs for each in batches)
    wall_s = sum(each.wall_s for each in batches)
    of_them = "" if distinct is None else f", {distinct:,} distinct,"
    print(f"{inputs:,} inputs{of_them} in {wall_s:,.0f} s")
    print(", ".join(f"{count:,} {what}" for what, count in sorted(outcomes.items())))
    slowest_s = max((each.slowest_s for each in batches), default=0.0)
    whole_s = max((each.slowest_whole_s for each in batches), default=0.0)
    peak_mib = max((each.peak_mib for each in batches), default=0.0)
    print(f"slowest command {slowest_s:.2f} s, slowest input {whole_s:.2f} s for all commands")
    print(f"peak memory {peak_mib:.0f} MiB")
    return outcomes["broken"] + outcomes["slow"] + (peak_mib > MEBIBYTES)


def total(ledger: Path) -> int:
    """Print what the ledger's batches add up to; how many inputs broke something."""
    data = ledger.with_suffix(".digests").read_bytes()
    distinct = len({data[start : start + 8] for start in range(0, len(data), 8)})
    return report(read(ledger), distinct)


def bound_memory() -> None:
    """Let this process have no more than MEBIBYTES of data."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEBIBYTES << 20, hard))


def _keep(data: bytes, digest: bytes, what: str) -> None:
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{digest.hex()}.net"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(what, "utf-8")
    print(f"{path}: {what.strip().splitlines()[-1][:200]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="fuzz", description="Broken programs, by the thousand.")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--ledger", type=Path, help="note each batch here, and go on from here")
    parser.add_argument("--total", type=Path, metavar="LEDGER", help="only add a ledger up")
    parser.add_argument("--engine", choices=["own", "atheris"], default="own")
    options = parser.parse_args()
    bound_memory()
    if options.total is not None:
        broken = total(options.total)
    elif options.engine == "atheris":
        # Imported here because it is an engine of its own, which need not be installed.
        from tests.fuzz.guided import run_guided

        broken = run_guided(options.inputs, options.seed, options.seconds)
    else:
        broken = run(options.inputs, options.seed, options.seconds, options.ledger)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
