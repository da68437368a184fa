"""What works and is better written otherwise: rules over a program's text and its networks' layers.

    lint(file, None, {}).findings       # a diagnostic for each place, warnings all

A rule is an entry of `RULES` with a function that finds it; its page under `netdsl/explain` says
why. A network with errors is not looked at: its errors are returned instead.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from netdsl.bind import Given
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import elaborate
from netdsl.lint import bodies, ends, inputs, names, order, windows
from netdsl.lint.allow import Allowance, read_allowances, unused_allowance
from netdsl.lint.rule import Layers, OfLayers, OfText, Rule, Text
from netdsl.network import complete_networks, recipes_for
from netdsl.program import ProgramFile
from netdsl.source import Source, Span

_OF_TEXT: tuple[tuple[Rule, OfText], ...] = (
    (Rule("unused-import", "the text", "safe"), names.unused_imports),
    (Rule("unused-let", "the text", "safe"), names.unused_lets),
    (Rule("unused-variable", "the text", "safe"), names.unused_variables),
    (Rule("unused-parameter", "the text"), names.unused_parameters),
    (Rule("unused-block", "the text"), names.unused_blocks),
    (Rule("unused-default", "the text", "safe"), names.unused_defaults),
    (Rule("in-means-input", "the text"), inputs.in_means_input),
    (Rule("empty-body", "the text"), bodies.empty_bodies),
    (Rule("restarting-let", "the text"), bodies.restarting_lets),
)
_OF_LAYERS: tuple[tuple[Rule, OfLayers], ...] = (
    (Rule("unread-pixels", "layers"), windows.unread_pixels),
    (Rule("unread-border", "layers"), windows.unread_border),
    (Rule("padding-differs", "layers"), windows.differing_padding),
    (Rule("padding-in-mean", "layers", "safe"), windows.padding_in_mean),
    (Rule("bias-before-norm", "layers", "unsafe", everywhere=True), order.bias_before_norm),
    (Rule("dropout-before-norm", "layers"), order.dropout_before_norm),
    (Rule("repeated-activation", "layers", "safe", everywhere=True), order.repeated_activations),
    (Rule("repeated-norm", "layers", everywhere=True), order.repeated_norms),
    (Rule("repeated-linear", "layers", everywhere=True), order.repeated_linear),
    (Rule("no-effect", "layers", "safe", everywhere=True), order.no_effect),
    (Rule("activation-before-sum", "layers"), ends.activation_before_sum),
    (Rule("missing-last-norm", "layers"), ends.missing_last_norm),
    (Rule("wrong-end", "layers", "unsafe"), ends.wrong_ends),
    (Rule("unnamed-output", "layers"), ends.unnamed_outputs),
    (Rule("channels-first", "layers", "unsafe"), ends.channels_first),
)

RULES: dict[str, Rule] = {
    rule.slug: rule
    for rule in (
        Rule("allow-form", "comments"),
        Rule("unused-allow", "comments", "safe"),
        *(rule for rule, _ in _OF_TEXT),
        *(rule for rule, _ in _OF_LAYERS),
    )
}
"""Every rule by its slug, in the order in which the reference lists them."""


class Linted(NamedTuple):
    """What is found in a program, and the errors that kept networks from being looked at.

    Findings lie in the program's file or in those that it imports, the shared ones among them.
    """

    findings: tuple[Diagnostic, ...]
    errors: tuple[Diagnostic, ...]
    networks: tuple[str, ...]
    """Those that were looked at."""


def lint(
    file: ProgramFile,
    network: str | None,
    settings: dict[str, Given],
    rules: frozenset[str] | None = None,
) -> Linted:
    """Find what the `rules`, all by default, find in a program: in its text, and in the layers of
    one network or of all that need no further arguments."""
    chosen = frozenset(RULES) if rules is None else rules
    text = Text(file)
    found = [each for rule, find in _OF_TEXT if rule.slug in chosen for each in find(text)]
    networks = complete_networks(file) if network is None else (network,)
    of_layers = _LayerFindings(chosen)
    errors: tuple[Diagnostic, ...] = ()
    looked_at = []
    with file.scope.fuel.sharing():
        for name in networks:
            graph, _, diagnostics, *_ = elaborate(file, name, settings)
            if graph is None:
                errors += tuple(each for each in diagnostics if each.severity == "error")
                continue
            looked_at.append(name)
            several = len(networks) > 1
            of_layers.look_at(Layers(graph, file, trained=bool(recipes_for(file, name))), several)
    found += of_layers.findings()
    whole = network is None and not settings and not errors
    kept = _without_allowed(found, file, chosen, of_layers if whole else None)
    kept.sort(key=lambda each: (each.span.source is not file.source, each.span.start))
    return Linted(tuple(kept), errors, tuple(looked_at))


class _LayerFindings:
    """What is found in the layers of several networks, one finding for each place and rule."""

    def __init__(self, chosen: frozenset[str]) -> None:
        self.rules = [(rule, find) for rule, find in _OF_LAYERS if rule.slug in chosen]
        self.first: dict[tuple[str, Span], tuple[Diagnostic, str]] = {}
        self.times: Counter[tuple[str, Span]] = Counter()
        self.layers: Counter[Span] = Counter()
        """How many layers each place has made."""

    def look_at(self, layers: Layers, several: bool) -> None:
        name = layers.graph.name
        self.layers.update(node.origin.span for node in layers.nodes)
        for _, find in self.rules:
            for _, diagnostic in find(layers):
                key = diagnostic.code, diagnostic.span
                self.times[key] += 1
                self.first.setdefault(key, (diagnostic, name if several else ""))

    def findings(self) -> Iterator[Diagnostic]:
        everywhere = {rule.slug for rule, _ in self.rules if rule.everywhere}
        for (code, span), (diagnostic, network) in self.first.items():
            made, times = self.layers[span], self.times[code, span]
            if code in everywhere and times < made:
                continue
            again = times - 1
            notes = diagnostic.notes
            if network:
                notes += (f"this is in the network `{network}`",)
            if again:
                more = "one more layer that is" if again == 1 else f"{again} more layers that are"
                notes += (f"the same holds of {more} made here",)
            yield diagnostic._replace(notes=notes)

    def lines_of(self, source: Source) -> list[int]:
        """The lines of a file on which layers are written that were looked at, in order."""
        return sorted({span.line for span in self.layers if span.source is source})


def _without_allowed(
    found: list[Diagnostic],
    file: ProgramFile,
    chosen: frozenset[str],
    looked_at: _LayerFindings | None,
) -> list[Diagnostic]:
    """What is not allowed where it is found, and what is wrong with the allowances of the file.

    `looked_at` is None where not all layers were looked at that could be.
    """
    own = read_allowances(file.source, file.tree)
    by_rule = {file.source: _by_rule(own.allowed)}
    used: set[Allowance] = set()
    kept = []
    for diagnostic in found:
        source = diagnostic.span.source
        if source not in by_rule:
            by_rule[source] = _by_rule(read_allowances(source).allowed)
        line = diagnostic.span.line
        last = source.line_column(diagnostic.span.end)[0]
        allowed = [
            each
            for each in by_rule[source].get(diagnostic.code, ())
            if each.first <= last and line <= each.last
        ]
        used.update(allowed)
        if not allowed:
            kept.append(diagnostic)
    if "allow-form" in chosen:
        kept += own.mistakes
    if "unused-allow" in chosen and own.allowed:
        lines = None if looked_at is None else looked_at.lines_of(file.source)
        rules_in = Counter(each.comment for each in own.allowed)
        kept += (
            unused_allowance(each, alone=rules_in[each.comment] == 1)
            for each in own.allowed
            if each not in used and _was_looked_for(each, chosen, lines)
        )
    return kept


def _by_rule(allowed: tuple[Allowance, ...]) -> dict[str, list[Allowance]]:
    found: dict[str, list[Allowance]] = {}
    for each in allowed:
        found.setdefault(each.rule, []).append(each)
    return found


def _was_looked_for(
    allowance: Allowance,
    chosen: frozenset[str],
    lines: list[int] | None,
) -> bool:
    """Whether a rule's findings would have shown where they are allowed; `lines` are those whose
    layers were looked at."""
    if allowance.rule not in chosen:
        return False
    if RULES[allowance.rule].looks_at != "layers":
        return True
    if lines is None:
        return False
    return bisect_left(lines, allowance.first) < bisect_right(lines, allowance.last)
