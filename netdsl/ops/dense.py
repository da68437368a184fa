"""The fully connected layer."""

from __future__ import annotations

from netdsl.code import Call, Emission, Fragment, Input, Module, Rngs, Usual, call
from netdsl.derivation import AXES, Step, named, product
from netdsl.kinds import Boolean, Choice, Integer
from netdsl.ops.base import Op, OpError, whole
from netdsl.ops.initializers import INITIALIZER, initializer_keyword
from netdsl.parameters import param
from netdsl.sizes import Size
from netdsl.tensor import Cost, TensorType, Weight


class Dense(Op):
    """Weigh all C inputs for each of F outputs.

        x[N, C] -> y[N, F] = x w + b
        x[N, T, C] -> y[N, T, F]              a sequence: each token alike
        x[N, H, W, C] -> y[N, H, W, F]        an image, with axis = channels: each pixel alike
        params = C F + F·bias
        macs   = C F              for each vector, token or pixel

    An image must be made a vector first, so that nobody weighs only its channels unawares; where
    that is meant, say `axis = channels`. It is what `conv(F, 1x1)` computes, but PyTorch's
    checkpoints hold the weights of the one with two axes, of the other with four.
    """

    name = "dense"
    holds_weights = True
    features: Size = param("outputs F", Integer(1, symbolic=True))
    bias: bool = param("whether each output adds a learned constant", Boolean(), True)
    init: str = param("how the weights start", INITIALIZER, "lecun_normal")
    axis: str = param(
        "what is weighed: the features of a vector or of each token, or also an image's channels",
        Choice("features", "channels"),
        "features",
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if x.is_image and self.axis != "channels":
            raise OpError(
                "needs-vector",
                f"`dense` works on a vector, not on an image of {x}",
                operand=0,
                help="put `flatten` or `globalavgpool` before it; "
                f"`dense({self.features}, axis = channels)` works on each pixel",
            )
        return TensorType((*x.shape[:-1], self.features))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        (x,) = inputs
        kernel = Weight("kernel", (x.channels, self.features), "weight", (1, 0))
        bias = Weight("bias", (self.features,), "bias", (0,))
        return (kernel, bias) if self.bias else (kernel,)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        (x,) = inputs
        macs = x.elements * self.features
        return Cost(macs=macs, flops=2 * macs + (output.elements if self.bias else 0))

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        features = named("F", self.features)
        kernel = named("C", x.channels) * features
        places = {1: (), 2: ("T",), 3: ("H", "W")}[len(x.shape)]
        rows = [named(letter, size) for letter, size in zip(places, x.shape, strict=False)]
        sees = {1: "all inputs", 2: "all of its token", 3: "its pixel's channels"}[len(x.shape)]
        note = "+ F: a bias for each output" if self.bias else "no bias"
        return (
            Step(AXES[len(x.shape)][-1], features, f"every one sees {sees}"),
            Step("weights", kernel + features if self.bias else kernel, note),
            Step("macs", kernel * product(*rows) if rows else kernel),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        (x,) = inputs
        keywords: list[tuple[str, Fragment]] = [("use_bias", Usual(self.bias, True))]
        keywords += initializer_keyword("kernel_init", self.init, "lecun_normal")
        keywords.append(("rngs", Rngs()))
        module = call("nnx.Linear", whole(x.channels), whole(self.features), **dict(keywords))
        return Emission(Call(Module(), (Input(),)), module)
