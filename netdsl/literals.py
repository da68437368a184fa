"""Read the values that tokens stand for: numbers, texts, sizes and documentation."""

from __future__ import annotations

from lark import Token

from netdsl.diagnostics import Diagnostic
from netdsl.limits import LIMITS
from netdsl.source import Source, Span
from netdsl.tensor import Window

_FACTORS = {"K": 10**3, "M": 10**6, "G": 10**9}
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


class LiteralReader:
    """Reads tokens of one source. It never raises; mistakes go to `diagnostics`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []

    def at(self, token: Token) -> Span:
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)

    def mistake(self, code: str, message: str, span: Span, help: str = "") -> None:
        self.diagnostics.append(Diagnostic(code, message, span, help=help))

    def number(self, token: Token) -> int | float:
        """`64`, `61_706`, `0.1`, `4e-5`; with `K`, `M` or `G` a whole number where it is one, so
        that it compares exactly."""
        text = token.replace("_", "")
        factor = _FACTORS.get(text[-1], 1)
        text = text.rstrip("KMG")
        if sum(character.isdigit() for character in text) > LIMITS.digits:
            return self._too_long(token)
        if token.type == "INT":
            return self._bounded(int(text) * factor, token)
        mantissa, _, exponent = text.lower().partition("e")
        if exponent and abs(int(exponent)) > 300:
            self.mistake("number-too-long", "an exponent goes from -300 to 300", self.at(token))
            return 0.0
        if factor == 1:
            return float(text)
        whole, _, decimals = mantissa.partition(".")
        scale = int(exponent or 0) - len(decimals)
        digits = int(whole + decimals) * factor
        power: int = 10 ** abs(scale)
        if scale >= 0:
            return self._bounded(digits * power, token)
        return digits // power if digits % power == 0 else digits / power

    def _bounded(self, value: int, token: Token) -> int:
        if value < LIMITS.integer:
            return value
        self.mistake("number-too-large", f"`{token}` is beyond 2^63", self.at(token))
        return 1

    def window(self, token: Token) -> Window:
        """`3x5` is 3 high and 5 wide, `2x` is `2x2`."""
        height, _, width = token.partition("x")
        if max(len(height), len(width)) > LIMITS.digits:
            size = self._too_long(token)
            return Window(size, size)
        return Window(int(height), int(width or height))

    def _too_long(self, token: Token) -> int:
        message = f"a number has at most {LIMITS.digits} digits"
        self.mistake("number-too-long", message, self.at(token))
        return 1

    def text(self, token: Token) -> str:
        """What stands between quotes, its escapes replaced."""
        inner = token[1:-1]
        if "\\" not in inner:
            return inner
        parts = []
        characters = iter(enumerate(inner, self.at(token).start + 1))
        for place, character in characters:
            if character == "\\":
                _, escape = next(characters)
                if escape not in _ESCAPES and len(self.diagnostics) < LIMITS.errors:
                    self.mistake(
                        "unknown-escape",
                        f"`\\{escape}` is no escape in a text",
                        Span(self.source, place, place + 2),
                        help='a text knows \\", \\\\, \\n and \\t',
                    )
                character = _ESCAPES.get(escape, escape)
            parts.append(character)
        return "".join(parts)

    def documentation(self, token: Token) -> str:
        """What stands between three quotes, without the indentation that its place gives it."""
        first, *rest = token[3:-3].expandtabs().split("\n")
        indents = [len(line) - len(line.lstrip()) for line in rest if line.strip()]
        margin = min(indents, default=0)
        lines = [first.strip(), *(line[margin:].rstrip() for line in rest)]
        return "\n".join(lines).strip("\n")
