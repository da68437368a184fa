"""Activations: functions of each value alone, and softmax."""

from __future__ import annotations

from netdsl.code import Emission, Input, Usual, call
from netdsl.derivation import Step, values_count
from netdsl.kinds import Boolean, Number
from netdsl.ops.base import Op
from netdsl.parameters import param
from netdsl.tensor import Cost, TensorType, Weight


class _Elementwise(Op):
    """A function of each element; `operations` is what one takes, as the docstring says."""

    operations: int

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=self.operations * output.elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        values, note = values_count(output.shape), "value by value; the shape stays"
        return (Step("flops", values if self.operations == 1 else self.operations * values, note),)


class Relu(_Elementwise):
    """y = max(x, 0); 1 operation per element.

    Source: Nair & Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines.
    """

    name = "relu"
    operations = 1

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.relu", Input()))


class Relu6(_Elementwise):
    """y = min(max(x, 0), 6); 2 operations per element.

    Source: Howard et al. 2017, arXiv:1704.04861.
    """

    name = "relu6"
    operations = 2

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.relu6", Input()))


class LeakyRelu(_Elementwise):
    """y = x for x >= 0, else slope · x; 2 operations per element.

    Source: Maas, Hannun & Ng 2013, Rectifier Nonlinearities Improve Neural Network Acoustic Models.
    """

    name = "leaky_relu"
    operations = 2
    slope: float = param("factor below zero", Number(), 0.01)

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.leaky_relu", Input(), negative_slope=self.slope))


class Elu(_Elementwise):
    """y = x for x > 0, else alpha (exp(x) - 1); 4 operations per element.

    Source: Clevert, Unterthiner & Hochreiter 2015, arXiv:1511.07289.
    """

    name = "elu"
    operations = 4
    alpha: float = param("where it ends far below zero, negated", Number(), 1.0)

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.elu", Input(), alpha=Usual(self.alpha, 1.0)))


class Gelu(_Elementwise):
    """y = x Φ(x), Φ the normal distribution function; 5 operations per element.

    Φ(x) = 0.5 (1 + erf(x / sqrt(2))), with the error function counted as one operation.
    With `approximate`, 0.5 x (1 + tanh(sqrt(2/π) (x + 0.044715 x³))), 13 operations with tanh's 5.
    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
    """

    name = "gelu"
    approximate: bool = param(
        "whether to use the formula with tanh", Boolean(tanh="true", none="false"), False
    )

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=(13 if self.approximate else 5) * output.elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        each = 13 if self.approximate else 5
        return (
            Step("flops", each * values_count(output.shape), "value by value; the shape stays"),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.gelu", Input(), approximate=self.approximate))


class Silu(_Elementwise):
    """y = x sigmoid(x), also called swish; 5 operations per element.

    Source: Ramachandran, Zoph & Le 2017, arXiv:1710.05941.
    """

    name = "silu"
    operations = 5

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.silu", Input()))


class HardSwish(_Elementwise):
    """y = x relu6(x + 3) / 6; 5 operations per element.

    Source: Howard et al. 2019, arXiv:1905.02244, §5.2.
    """

    name = "hard_swish"
    operations = 5

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.hard_swish", Input()))


class HardSigmoid(_Elementwise):
    """y = relu6(x + 3) / 6; 4 operations per element.

    Source: Howard et al. 2019, arXiv:1905.02244, §5.2.
    """

    name = "hard_sigmoid"
    operations = 4

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.hard_sigmoid", Input()))


class Sigmoid(_Elementwise):
    """y = 1 / (1 + exp(-x)); 4 operations per element."""

    name = "sigmoid"
    operations = 4

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.sigmoid", Input()))


class Tanh(_Elementwise):
    """y = (exp(2x) - 1) / (exp(2x) + 1); 5 operations per element."""

    name = "tanh"
    operations = 5

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.tanh", Input()))


class Softmax(_Elementwise):
    """y_c = exp(x_c) / Σ exp(x_j) over the channels; 5 operations per element.

    Training adds it by itself, in the cross-entropy; a classifier ends without it.
    """

    name = "softmax"
    operations = 5

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("nnx.softmax", Input()))
