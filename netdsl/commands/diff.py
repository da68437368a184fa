"""`netdsl diff`: what changed between two networks, or two versions of a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import click
from click.core import ParameterSource

from netdsl.commands import options
from netdsl.commands.console import Console, diagnostics_json
from netdsl.compare.difference import as_json
from netdsl.compare.text import as_text, network_text
from netdsl.compare.versions import Compared, Loaded, Version, compare, open_version
from netdsl.cost import CostReport
from netdsl.diagnostics import Diagnostic
from netdsl.exits import FINE, Failure
from netdsl.network import find
from netdsl.render import render
from netdsl.source import Source, printable, read_source
from netdsl.terminal import styled

_Errors: TypeAlias = "tuple[Diagnostic, ...]"

SAME = 0
DIFFERENT = 1
TROUBLE = 2
"""As `diff` exits."""

_EXAMPLES = """\b
Examples:
  netdsl diff resnet50 torchvision/resnet50
  netdsl diff old/vgg.net new/vgg.net      all their networks, by name
  netdsl diff resnet50 resnet50 --set-b classes=10
\b
As git's diff of .net files:
  git config diff.netdsl.command 'netdsl diff --git'
  echo '*.net diff=netdsl' >> .gitattributes
"""


@click.command(epilog=_EXAMPLES)
@click.argument("targets", metavar="BEFORE AFTER", nargs=-1, required=True)
@options.settings
@click.option(
    "--set-a",
    "settings_before",
    metavar="NAME=VALUE",
    multiple=True,
    callback=options.by_name,
    help="As --set, for BEFORE alone.",
)
@click.option(
    "--set-b",
    "settings_after",
    metavar="NAME=VALUE",
    multiple=True,
    callback=options.by_name,
    help="As --set, for AFTER alone.",
)
@click.option("--git", is_flag=True, help="Take the arguments that git gives to a diff driver.")
@options.limit
@options.output_format
@options.color
@click.pass_context
def command(
    ctx: click.Context,
    targets: tuple[str, ...],
    settings: dict[str, str],
    settings_before: dict[str, str],
    settings_after: dict[str, str],
    git: bool,
    output_format: str,
    console: Console,
) -> int:
    """Say what changed from network BEFORE to network AFTER, layer by layer.

    Each is FILE.net, FILE.net:NETWORK or the name of a network that comes with netdsl; files of
    several networks are compared network by network. The exit code is 0 where they are the same,
    1 where they differ, 2 or more where they can't be compared.
    """
    given = {**settings, **settings_before}, {**settings, **settings_after}
    if git and output_format == "json":
        raise click.UsageError("--git writes for people, not --format json", ctx)
    if git:
        chosen = ctx.get_parameter_source("console") is ParameterSource.COMMANDLINE
        color = console.data_color or (not chosen and _paged_in_color())
        return _git(targets, given, console.width, color=color)
    if len(targets) != 2:
        raise click.UsageError(f"two networks are compared, not {len(targets)}", ctx)
    versions = []
    for target, own in zip(targets, given, strict=True):
        found = find(target)
        if found.note:
            console.message(f"note: {found.note}")
        versions.append(open_version(found.source, found.network, own, target))
    before, after = versions
    compared = list(compare(before, after))
    errors = (
        _errors(before, [each.before for each in compared]),
        _errors(after, [each.after for each in compared]),
    )
    same = all(each.same for each in compared)
    if output_format == "json":
        console.json(_json(before, after, compared, errors))
    else:
        for version, found_errors in zip(versions, errors, strict=True):
            if found_errors:
                console.message(f"{printable(version.name)} has errors:", "bold")
                console.diagnostics(found_errors)
        text = _text(before, after, compared, console.width, color=console.data_color)
        if text or not any(errors):
            console.data(text or "Neither has a network that can do without arguments.")
    return TROUBLE if any(errors) else SAME if same else DIFFERENT


def _errors(version: Version, networks: Iterable[Loaded | None]) -> _Errors:
    """What keeps one side, or networks of it, from being compared."""
    errors = version.errors
    for network in networks:
        errors += () if network is None else network.errors
    return errors


def _text(
    before: Version, after: Version, compared: Sequence[Compared], width: int, *, color: bool
) -> str:
    """What became of each network; of those that did not change, where others did, the names."""
    texts = []
    same = []
    alone = ""
    for pair in compared:
        if pair.difference is not None:
            if pair.same and len(compared) > 1:
                same.append(pair.difference.after.graph.name)
                continue
            names = (_full(before, pair.difference.before), _full(after, pair.difference.after))
            title = " → ".join(dict.fromkeys(names))
            text = as_text(pair.difference, title=title, width=width, color=color)
            texts.append(text + _failed(pair))
        elif pair.after is None and pair.before is not None and pair.before.report is not None:
            title = _full(before, pair.before.report)
            alone += network_text(title, pair.before.report, added=False, color=color)
        elif pair.before is None and pair.after is not None and pair.after.report is not None:
            title = _full(after, pair.after.report)
            alone += network_text(title, pair.after.report, added=True, color=color)
    if alone:
        texts.append(alone)
    if same:
        texts.append(f"no difference: {', '.join(same)}\n")
    templates = dict.fromkeys((*before.templates(), *after.templates()))
    if templates and before.network is None and after.network is None:
        texts.append(f"not compared, for want of arguments: {', '.join(templates)}\n")
    return "\n".join(texts).rstrip("\n")


def _full(version: Version, report: CostReport) -> str:
    """A network's name, behind its file's where that does not say it."""
    name = report.graph.name
    said = version.name == name or version.name.endswith((f":{name}", f"/{name}"))
    return version.name if said else f"{version.name}:{name}"


def _failed(pair: Compared) -> str:
    """That claims or assertions fail, which keeps no network from being compared."""
    before, after = (0 if each is None else each.failed for each in (pair.before, pair.after))
    if not before and not after:
        return ""
    return f"claims and assertions that fail: {before} before, {after} after\n"


def _json(
    before: Version, after: Version, compared: Sequence[Compared], errors: tuple[_Errors, _Errors]
) -> dict[str, object]:
    networks: list[dict[str, object]] = []
    for pair in compared:
        if pair.difference is not None:
            networks.append(as_json(pair.difference))
            continue
        names = [None if each is None else each.name for each in (pair.before, pair.after)]
        networks.append({"before": names[0], "after": names[1], "same": False})
    return {
        "before": before.name,
        "after": after.name,
        "same": not any(errors) and all(pair.same for pair in compared),
        "networks": networks,
        "diagnostics": {
            "before": diagnostics_json(errors[0]),
            "after": diagnostics_json(errors[1]),
        },
    }


def _git(
    arguments: tuple[str, ...],
    given: tuple[dict[str, str], dict[str, str]],
    width: int,
    *,
    color: bool,
) -> int:
    """One file's difference, all on standard output; always 0, or git would stop there.

    git gives the path, then file, object and mode of each version, then for a renamed file its new
    path and a message; for an unmerged file the path alone.
    """
    path = arguments[0]
    if len(arguments) == 1:
        print(f"{printable(path)} is unmerged")
        return FINE
    if not 7 <= len(arguments) <= 9:
        raise click.UsageError(f"git gives 1 argument or 7 to 9, not {len(arguments)}")
    new_path = arguments[7] if len(arguments) > 7 else path
    try:
        before = _git_version(path, arguments[1], given[0])
        after = _git_version(new_path, arguments[4], given[1])
        compared = list(compare(before, after))
    except Failure as failure:
        print(f"{printable(path)} can't be compared: {failure}")
        return FINE
    sides = [
        ("old", _errors(before, [each.before for each in compared])),
        ("new", _errors(after, [each.after for each in compared])),
    ]
    for age, errors in sides:
        if errors:
            says = f"the {age} version of {printable(path)} has errors, so it can't be compared:"
            print(styled(says, "bold", color=color))
            print(render(errors, color=color), end="")
    text = _text(before, after, compared, width, color=color)
    if text or not any(errors for _, errors in sides):
        print(text or f"{printable(path)} has no network that can do without arguments")
    print()
    return FINE


def _git_version(path: str, file: str, settings: dict[str, str]) -> Version:
    """One version: git's copy of it, or the file itself, which imports as if it lay at its path."""
    name = printable(path)
    if file == os.devnull:
        return open_version(None, None, settings, name)
    source = Source(name, read_source(Path(file), name).text, Path(path))
    return open_version(source, None, settings, name)


def _paged_in_color() -> bool:
    """Whether git shows our output in its pager, and the user's terminal may have colours."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return bool(os.environ.get("GIT_PAGER_IN_USE")) and not plain
