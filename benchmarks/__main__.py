"""`make bench`: the wall time of whole commands, as a user waits for them, as JSON.

The unit is `import lark`, which every command on a program needs: a static command on the largest
network is to take less than three of them. Each figure is the best of several rounds over all
commands, so that what else the machine does counts little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

ROUNDS = 7
UNIT = "-c|import lark"
COMMANDS = [
    "-c|pass",
    UNIT,
    "-m|netdsl|--help",
    "-m|netdsl|check|lenet5",
    "-m|netdsl|cost|lenet5",
    "-m|netdsl|cost|resnet152",
    "-m|netdsl|compile|resnet152|-o|-",
]
"""Arguments of the interpreter, with `|` between them."""


def wall_s(arguments: list[str]) -> float:
    """The wall time of one run of the interpreter, in seconds."""
    # Users have bytecode files; a first round that is not counted writes them.
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {command: [] for command in COMMANDS}
    for _ in range(ROUNDS + 1):
        for command in COMMANDS:
            times[command].append(wall_s(command.split("|")))
    best = {command: min(each[1:]) for command, each in times.items()}
    results: list[dict[str, object]] = [
        {
            "command": command.replace("|", " "),
            "wall_s": round(seconds, 4),
            "imports_of_lark": round(seconds / best[UNIT], 2),
        }
        for command, seconds in best.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "netdsl", "train", "lenet5", "--data", "digits", "--epochs", "3", "--out"]
        seconds = wall_s([*command, f"{folder}/run"])
    results.append({"command": " ".join(command[:-1]), "wall_s": round(seconds, 1)})
    print(json.dumps({"python": sys.version.split()[0], "results": results}, indent=2))


main()
