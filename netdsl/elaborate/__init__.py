"""Turn a network's syntax into its graph: constants folded, blocks called, repeats run.

Shapes are inferred on the way, since a program may ask for them. After a mistake, what depends on
it is unknown and stays silent: one cause, one diagnostic."""

from __future__ import annotations

from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given, assign
from netdsl.diagnostics import Diagnostic, Fault, Frame, did_you_mean
from netdsl.elaborate.bodies import Bodies
from netdsl.elaborate.builder import Check, Condition, Place
from netdsl.elaborate.counting import refuse_too_large
from netdsl.evaluate import evaluate
from netdsl.fuel import OpenComparison
from netdsl.graph import Graph, Output, Region
from netdsl.limits import LIMITS
from netdsl.naming import name_body
from netdsl.program import ProgramFile
from netdsl.scope import Scope, UnknownValue, fail


class Elaboration(NamedTuple):
    """A network's graph, None after a mistake, with what is left to check.

    `conditions` are what the input's `where` demands; `open_comparisons` went one way for open
    sizes in general.
    """

    graph: Graph | None
    checks: tuple[Check, ...]
    diagnostics: tuple[Diagnostic, ...]
    conditions: tuple[Condition, ...] = ()
    open_comparisons: tuple[OpenComparison, ...] = ()


def elaborate(
    file: ProgramFile,
    network: str,
    settings: dict[str, Given],
    *,
    symbolic: bool = False,
) -> Elaboration:
    """Elaborate one network or variant of a file.

    `settings` override its parameters and its input's named sizes. Named sizes have their default
    where they have one, unless `symbolic`.
    """
    file.scope.fuel.refill()
    run = _Networks(file, settings, symbolic)
    graph: Graph | None = None
    try:
        graph = run.network(network)
    except Fault as fault:
        run.report(fault)
    except UnknownValue:
        pass
    open_comparisons = tuple(file.scope.fuel.open_comparisons)
    file.scope.fuel.refill()  # For claims and recipes.
    diagnostics = run.finished_diagnostics()
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        graph = None
    return Elaboration(
        graph, tuple(run.checks), diagnostics, tuple(run.conditions), open_comparisons
    )


def resolve_network(file: ProgramFile, name: str) -> tuple[syntax.Network, list[syntax.Variant]]:
    """The network that a name ends at, and the variants on the way, outermost first."""
    variants: list[syntax.Variant] = []
    passed: set[str] = set()
    declaration = file.networks[name]
    while isinstance(declaration, syntax.Variant):
        if declaration.name in passed:
            circle = variants[variants.index(declaration) :]
            # The same place whichever of them is asked for.
            first = min(circle, key=lambda each: each.span.start)
            names = [each.name for each in (*circle, *circle)]
            start = names.index(first.name)
            fail(
                "network-cycle",
                f"`{first.name}` is a variant of itself: "
                + " = ".join([*names[start : start + len(circle)], first.name]),
                first.base_span,
                help="one of them has to be a network with braces and layers",
            )
        if len(variants) >= LIMITS.nesting:
            message = f"variants of variants nest over {LIMITS.nesting} deep"
            fail("nesting-too-deep", message, declaration.base_span)
        variants.append(declaration)
        passed.add(declaration.name)
        base = file.networks.get(declaration.base)
        if base is None:
            help = did_you_mean(declaration.base, tuple(file.networks))
            if declaration.base in file.blocks:
                help = f"`{declaration.base}` is a block: a network has an input, and calls it"
            fail(
                "unknown-network",
                f"there is no network `{declaration.base}` in this file",
                declaration.base_span,
                help=help,
            )
        declaration = base
    return declaration, variants


def missing_parameters(file: ProgramFile, name: str) -> list[str]:
    """The parameters that a network still needs: with any, it is a template for variants."""
    network, variants = resolve_network(file, name)
    names = tuple(parameter.name for parameter in network.parameters)
    given: set[str] = set()
    for variant in variants:
        for position, argument in enumerate(variant.arguments):
            if argument.name is not None:
                given.add(argument.name)
            elif position < len(names):
                given.add(names[position])
    return [
        parameter.name
        for parameter in network.parameters
        if parameter.default is None and parameter.name not in given
    ]


class _Networks(Bodies):
    def network(self, name: str) -> Graph:
        file = self.file
        network, variants = resolve_network(file, name)
        arguments = self._network_arguments(network, variants, file)
        scope = Scope(file.scope)
        for parameter in network.parameters:
            scope.bind(parameter.name, arguments[parameter.name], parameter.span)
        self.variants = tuple(
            Frame(variant.span, f"the variant `{variant.name}`") for variant in reversed(variants)
        )
        place = Place(scope, name_body(network.body), file, (), (), None, [])
        refuse_too_large(network.body, scope)
        self.body(network.body, place)
        owner = variants[0] if variants else network
        if variants or self.settings:
            # A claim is about the network as it was declared, not one with other arguments.
            self.checks = [
                check for check in self.checks if isinstance(check.statement, syntax.Assert)
            ]
        for variant in variants:
            for statement in variant.body.statements if variant.body is not None else ():
                self.variant_statement(statement, scope, own=variant is owner)
        if self.found or self.incomplete:
            raise UnknownValue
        if not any(node.op is None for node in self.nodes):
            fail(
                "no-input",
                f"the network `{name}` has no input",
                network.name_span,
                help="begin it with a line such as `input image[224, 224, 3]`",
            )
        self._name_outputs(place, network)
        documentation = next(
            (each.body.documentation for each in variants if each.body is not None), ""
        )
        root = Region(
            "network",
            name,
            owner.span,
            (),
            arguments,
            tuple(self.items),
            0,
            self.outputs_main(),
            documentation=documentation or network.body.documentation or file.tree.documentation,
        )
        return Graph(
            name,
            root.documentation,
            arguments,
            tuple(self.nodes),
            root,
            tuple(self.outputs),
            frozenset(self.auxiliary),
            self.labels,
        )

    def variant_statement(self, statement: syntax.Statement, scope: Scope, *, own: bool) -> None:
        """Keep a variant's assertion, or its claim where it is the very one elaborated."""
        if not isinstance(statement, (syntax.Assert, syntax.Claim)):
            fail(
                "statement-not-allowed",
                "a variant's braces hold only claims and assertions",
                statement.span,
                help="change a parameter of the network that it is a variant of",
            )
        if isinstance(statement, syntax.Assert) or (own and not self.settings):
            self.checks.append(Check(statement, scope, None, ()))

    def outputs_main(self) -> int:
        return next(output.node for output in reversed(self.outputs) if output.weight is None)

    def _network_arguments(
        self, network: syntax.Network, variants: list[syntax.Variant], file: ProgramFile
    ) -> dict[str, object]:
        names = tuple(parameter.name for parameter in network.parameters)
        given: dict[str, Given] = {}
        # The nearest variant says last.
        for variant in reversed(variants):
            arguments = [
                Given(argument.name, evaluate(argument.value, file.scope), argument.span)
                for argument in variant.arguments
            ]
            given |= assign(names, arguments, variant.base, variant.span)
        sizes = {
            size.name
            for statement in network.body.statements
            if isinstance(statement, syntax.Input)
            for size in statement.sizes
            if isinstance(size, syntax.Name) and size.name not in names
        }
        for key, setting in self.settings.items():
            if key in sizes:
                self.size_settings[key] = setting
            elif key in names:
                given[key] = setting
            else:
                known = (*names, *sorted(sizes))
                source = setting.span.source
                start = source.text.index(key)  # A setting's text is its name and its value.
                fail(
                    "unknown-argument",
                    f"`{network.name}` has no parameter or input size `{key}`",
                    source.span(start, start + len(key)),
                    help=did_you_mean(key, known),
                )
        return self.parameter_values(
            network.name, network.parameters, given, Scope(file.scope), network.name_span
        )

    def _name_outputs(self, place: Place, network: syntax.Network) -> None:
        used = {index for node in self.nodes for index in node.inputs}
        by_node = {node: label for label, node in reversed(self.labels.items())}
        if place.current is None or self.nodes[place.current.node].op is None:
            fail(
                "no-layers",
                f"the network `{network.name}` ends without a layer",
                network.name_span,
                help="put a layer behind its input, such as `relu`",
            )
        auxiliary = [output for output in self.outputs if output.weight is not None]
        main: list[int] = []
        for end in place.ends:
            unused = end.node not in used and self.nodes[end.node].op is not None
            if unused and end.node not in main and end.node != place.current.node:
                main.append(end.node)
        main.append(place.current.node)
        self.outputs = [
            Output(by_node.get(node, ".".join(self.nodes[node].path)), node) for node in main
        ] + auxiliary
