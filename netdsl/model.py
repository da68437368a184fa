"""The Python interface: load a network, read its costs, get its Flax source and module."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.budgets import Work
from netdsl.cost import CostReport
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.emit import class_name, emit
from netdsl.graph import Graph
from netdsl.network import (
    Network,
    choose_network,
    find,
    has_errors,
    load_file,
    load_network,
    setting_of,
)
from netdsl.render import render
from netdsl.source import Source

if TYPE_CHECKING:
    from flax import nnx


class ProgramError(Exception):
    """A program has errors; `diagnostics` are they, and the message shows them."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n" + render(diagnostics, color=False))
        self.diagnostics = diagnostics


class Model:
    """A network that passed all checks.

    `report` has its costs, `graph` its typed nodes, `python` its Flax source, and `module(rngs)`
    an instance of that very source, with initialised weights.
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def graph(self) -> Graph:
        return self.network.graph

    @property
    def report(self) -> CostReport:
        return self.network.report

    @cached_property
    def python(self) -> str:
        """The Flax NNX source, which `netdsl compile` writes.

        Raises ProgramError where it needs a size that the input leaves open.
        """
        try:
            return emit(self.graph)
        except Fault as fault:
            raise ProgramError((fault.diagnostic,)) from None

    @cached_property
    def module_class(self) -> type[nnx.Module]:
        # Only what runs a network needs jax, which takes as long to import as all checks together.
        from netdsl.emit.build import build

        return build(self.python, class_name(self.graph))

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        """A new instance, called as `module(x[N, H, W, C], train=False, rngs=None)`."""
        make: Callable[..., nnx.Module] = self.module_class
        return make(rngs=rngs)

    def load_weights(self, path: str | Path) -> nnx.Module:
        """An instance with the weights of a file, for inference or to train on.

        The file is a PyTorch state_dict of the same keys, `.pth` or `.safetensors`, of which
        nothing is executed; or one that `netdsl weights import` wrote. Raises WeightsError where
        anything in it is missing, unknown, of another shape or not finite.
        """
        # As above, what only states sizes and costs should not wait for these.
        from flax import nnx

        from netdsl.weights.convert import read
        from netdsl.weights.fill import filled
        from netdsl.weights.open import open_weights

        with open_weights(path) as tensors:
            arrays = read(self.graph, tensors)
        values = {name: array.value for name, array in arrays.items()}
        return filled(lambda: self.module(nnx.Rngs(0)), values)

    def save_weights(self, module: nnx.Module, path: str | Path) -> None:
        """Write an instance's weights as a state_dict, a .safetensors file for `load_state_dict`.

        The file is written beside its place and moved there. Raises WeightsError where it can't be.
        """
        from netdsl.weights.convert import Array, to_state_dict
        from netdsl.weights.fill import taken
        from netdsl.weights.safetensors_file import write_safetensors

        arrays = {name: Array(value, "F32") for name, value in taken(module).items()}
        exported = to_state_dict(self.graph, arrays)
        values = {name: array.value for name, array in exported.items()}
        write_safetensors(path, values, {"format": "pt"})

    def __repr__(self) -> str:
        return f"<netdsl network {self.name}: {self.report.total.params:,} parameters>"


def load(target: str | Path | Source, **settings: object) -> Model:
    """The network in a file (`"resnet.net:resnet50"`), of a shipped name, or in a `Source`.

    `settings` override its parameters and named input sizes. Raises ProgramError where the program
    has errors, UnknownTarget or UnreadableSource where there is none.
    """
    if isinstance(target, Source):
        source, wanted = target, None
    else:
        source, wanted, _ = find(str(target))
    file, diagnostics = load_file(source)
    if file is None or has_errors(diagnostics):
        raise ProgramError(diagnostics)
    name = choose_network(file, wanted)
    given = {key: setting_of(key, value) for key, value in settings.items()}
    network, diagnostics = load_network(file, name, given, work=Work())
    if network is None:
        # Fixes are left to `netdsl check`, which tries them on the whole file.
        raise ProgramError(tuple(each._replace(fixes=()) for each in diagnostics))
    return Model(network)
