"""Arguments and options that several commands take, so that each means the same everywhere.

    @click.command(epilog=…)
    @options.target
    @options.output_format
    @options.color
    def command(target: str, settings: dict[str, str], output_format: str, console: Console) -> int:

The exit code is what the command returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from netdsl.commands.console import Console
from netdsl.deadline import within_time
from netdsl.limits import LIMITS, lowered
from netdsl.source import Source, printable
from netdsl.terminal import ColorChoice

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def by_name(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """The values are kept as text: the program says what they may be."""
    settings: dict[str, str] = {}
    for each in texts:
        name, equals, text = (part.strip() for part in each.partition("="))
        if not equals or not name.isidentifier() or not text:
            raise click.BadParameter(f"`{each}` is not like `classes=10`", ctx, param)
        if name in settings:
            raise click.BadParameter(f"`{name}` is set twice", ctx, param)
        settings[name] = text
    return settings


def _lower(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> None:
    values: dict[str, int] = {}
    for each in texts:
        name, _, text = (part.strip() for part in each.partition("="))
        digits = text.replace("_", "").replace(",", "")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > LIMITS.digits:
            raise click.BadParameter(f"`{printable(each)}` is not like `nodes=1000`", ctx, param)
        if name in values:
            raise click.BadParameter(f"`{name}` is set twice", ctx, param)
        values[name] = int(digits)
    try:
        ctx.with_resource(lowered(values))
    except ValueError as error:
        raise click.BadParameter(printable(str(error)), ctx, param) from None
    if ctx.info_name in _BOUNDED:
        ctx.with_resource(within_time(Source(f"netdsl {ctx.info_name}", "").span(0, 0)))


_BOUNDED = ("zoo", "list", "cost", "diff", "compile")
"""Commands that are bounded in time as a whole. Others may train, wait for answers or take many
programs, and only their work on a program is bounded."""

limit: Callable[[Decorated], Decorated] = click.option(
    "--limit",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_lower,
    expose_value=False,
    is_eager=True,
    help="Lower a limit, such as nodes=1000; docs/limits.md has them. Repeat it for several.",
)
"""`--limit NAME=VALUE`, repeated; they are lowered while the command runs."""

settings: Callable[[Decorated], Decorated] = click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    callback=by_name,
    help="Give a parameter or a named input size of the network a value, such as classes=10 or "
    "'depths=[3, 4, 6, 3]'. Repeat it for several.",
)
"""`--set NAME=VALUE`, repeated; the command gets `settings: dict[str, str]`."""


def target(command: Decorated) -> Decorated:
    """The network that a command is about, with `--set` and `--limit`: `target`, `settings`.

    TARGET is FILE.net, FILE.net:NETWORK or the name of a network that comes with netdsl; what it
    stands for is `netdsl.network.find`'s to say.
    """
    return click.argument("target", metavar="TARGET")(settings(limit(command)))


output_format: Callable[[Decorated], Decorated] = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to write the result.",
)
"""`--format text|json`; the command gets `output_format: str`."""

report_format: Callable[[Decorated], Decorated] = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "concise", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="How to write the result: for readers, a line each, or for programs and code hosts.",
)
"""`--format text|concise|json|sarif|github`; the command gets `output_format: str`."""


def fixing(command: Decorated) -> Decorated:
    """`--fix`, `--diff` and `--unsafe-fixes`: `fix`, `diff` and `unsafe_fixes`, all bool."""
    unsafe = click.option(
        "--unsafe-fixes",
        is_flag=True,
        help="With --fix or --diff: also fixes that may not be what is meant.",
    )
    diff = click.option(
        "--diff", is_flag=True, help="Show what --fix would change, and change nothing."
    )
    fix = click.option("--fix", is_flag=True, help="Apply the fixes that are safe, and look again.")
    return fix(diff(unsafe(command)))


def _console(ctx: click.Context, param: click.Parameter, choice: ColorChoice) -> Console:
    return Console(choice)


color: Callable[[Decorated], Decorated] = click.option(
    "--color",
    "console",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    callback=_console,
    help="Colour the output; auto does on a terminal that can and without NO_COLOR.",
)
"""`--color auto|always|never`; the command gets `console: Console`."""

checkpoint: Callable[[Decorated], Decorated] = click.option(
    "--checkpoint",
    metavar="WHICH",
    default="best",
    show_default=True,
    help="best (by held-out accuracy), latest, or the number of a step.",
)
"""`--checkpoint WHICH` of a run; the command gets `checkpoint: str`."""

workers: Callable[[Decorated], Decorated] = click.option(
    "--workers",
    type=click.IntRange(1),
    help="Threads that prepare images; the result does not depend on it. [default: one a core]",
)
"""`--workers N`; the command gets `workers: int | None`."""
