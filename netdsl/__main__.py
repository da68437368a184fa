"""`python -m netdsl` is the command `netdsl`."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit the process with its code."""
    try:
        # Imported here so that an interruption meanwhile ends the command as one later does.
        from netdsl.main import run

        code = run()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        code = 130  # As `netdsl.exits`, which may be what was being imported.
    sys.exit(code)


if __name__ == "__main__":
    main()
