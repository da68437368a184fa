"""The exit codes of the command line, and the failures that end a command with one of them."""

from __future__ import annotations

FINE = 0
PROGRAM_HAS_ERRORS = 1
WRONG_USAGE = 2
INPUT_OUTPUT_FAILED = 3
OUR_MISTAKE = 70
"""EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
TERMINATED = 143
"""128 + SIGTERM."""
OUTPUT_CLOSED = 141
"""128 + SIGPIPE: whoever read our output, such as `head`, had enough."""


class Failure(Exception):
    """What a command can't go on from though netdsl is right; the message is for the user.

    A mistake in a program is a `Diagnostic` instead.
    """

    exit_code = INPUT_OUTPUT_FAILED
