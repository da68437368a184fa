"""Where a command writes: data to standard output, messages to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from netdsl.diagnostics import Diagnostic
from netdsl.exits import FINE, PROGRAM_HAS_ERRORS
from netdsl.terminal import ColorChoice, styled, terminal_width, wants_color


class Console:
    """The two output streams of a command, each coloured or not by the user's choice."""

    def __init__(self, choice: ColorChoice) -> None:
        self.data_color = wants_color(sys.stdout, choice)
        self.message_color = wants_color(sys.stderr, choice)

    @property
    def width(self) -> int:
        """The columns of standard output."""
        return terminal_width(sys.stdout)

    def data(self, text: str) -> None:
        """Write what was asked for, and end the line."""
        print(text)

    def text(self, text: str) -> None:
        """Write what was asked for, whole lines already."""
        print(text, end="")

    def json(self, value: object) -> None:
        """Write data as JSON, in ASCII so that names can't act on a terminal."""
        print(json.dumps(value, indent=2))

    def message(self, text: str, style: str = "") -> None:
        """Tell the user something, aside from the data."""
        print(styled(text, style, color=self.message_color), file=sys.stderr)

    def diagnostics(self, diagnostics: Sequence[Diagnostic]) -> int:
        """Show what is wrong with a program; the exit code that follows from it."""
        if diagnostics:
            # Imported here because most runs have nothing wrong to show.
            from netdsl.render import render

            print(render(diagnostics, color=self.message_color), end="", file=sys.stderr)
        return exit_code(diagnostics)


def exit_code(diagnostics: Sequence[Diagnostic]) -> int:
    errors = any(diagnostic.severity == "error" for diagnostic in diagnostics)
    return PROGRAM_HAS_ERRORS if errors else FINE


def diagnostics_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, object]]:
    """Diagnostics as each command's JSON has them, under `diagnostics`."""
    # Imported here because most runs have nothing wrong to show.
    from netdsl.render import to_json

    return [to_json(diagnostic) for diagnostic in diagnostics]
