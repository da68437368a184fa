"""`make bench`: the wall time of whole commands, as a user waits for them, as JSON.

The unit is `import lark`, which every command on a program needs: a static command on the largest
network is to take less than three of them. Each figure is the best of several runs, so that what
else the machine does counts little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

RUNS = 7
UNIT = ["-c", "import lark"]
COMMANDS = {
    "python": ["-c", "pass"],
    "import lark": UNIT,
    "help": ["-m", "netdsl", "--help"],
    "check lenet5": ["-m", "netdsl", "check", "lenet5"],
    "cost lenet5": ["-m", "netdsl", "cost", "lenet5"],
    "cost resnet152": ["-m", "netdsl", "cost", "resnet152"],
    "compile resnet152": ["-m", "netdsl", "compile", "resnet152", "-o", "-"],
}


def best_wall_s(arguments: list[str]) -> float:
    """The shortest wall time of a command over `RUNS` runs, in seconds."""
    # The first run writes the bytecode that all others read.
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment
        )
        times.append(time.perf_counter() - start)
    return min(times[1:])


def train_wall_s(epochs: int) -> float:
    """The wall time of training LeNet-5 on scans of digits, start-up and compiling included."""
    with tempfile.TemporaryDirectory() as folder:
        command = f"-m netdsl train lenet5 --data digits --epochs {epochs} --out".split()
        start = time.perf_counter()
        subprocess.run([sys.executable, *command, f"{folder}/run"], check=True, capture_output=True)
        return time.perf_counter() - start


def main() -> None:
    unit = best_wall_s(UNIT)
    results = []
    for name, arguments in COMMANDS.items():
        wall = best_wall_s(arguments)
        share = round(wall / unit, 2)
        results.append({"what": name, "wall_s": round(wall, 4), "imports_of_lark": share})
    results.append({"what": "train lenet5, 3 epochs", "wall_s": round(train_wall_s(3), 1)})
    print(json.dumps({"python": sys.version.split()[0], "results": results}, indent=2))


main()
