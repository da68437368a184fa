"""Normalisation, and the learned scale that comes with it."""

from __future__ import annotations

from netdsl.code import Call, Emission, Fragment, Input, Module, NotTrain, Rngs, Usual, call
from netdsl.derivation import Step, named, values_count
from netdsl.kinds import Boolean, Choice, Integer, Number
from netdsl.ops.base import Op, OpError, Requirement, equal_parts, whole
from netdsl.ops.windows import require_image
from netdsl.parameters import param
from netdsl.tensor import Cost, Derived, TensorType, Weight

_EPS = "small number added to the variance; how many channels there are is known, and not given"


class _Normalisation(Op):
    """What they share: the shape stays, and each channel may get a learned scale and shift."""

    holds_weights = True
    scale: bool
    bias: bool

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (inputs[0].channels,)
        scale = (Weight("scale", shape, "weight", (0,)),) if self.scale else ()
        bias = (Weight("bias", shape, "bias", (0,)),) if self.bias else ()
        return scale + bias

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        return (*self.learning(output), Step("flops", 7 * values_count(output.shape)))

    def learning(self, x: TensorType) -> tuple[Step, ...]:
        """How many scales and shifts there are."""
        channels = named("C", x.channels)
        if self.scale and self.bias:
            return (Step("weights", 2 * channels, "a scale and a shift for each channel"),)
        if self.scale or self.bias:
            which = "scale" if self.scale else "shift"
            return (Step("weights", channels, f"a {which} for each channel"),)
        return ()

    def learned(self) -> list[tuple[str, Fragment]]:
        """The keywords for what is not learned."""
        return [("use_bias", Usual(self.bias, True)), ("use_scale", Usual(self.scale, True))]


class BatchNorm(_Normalisation):
    """Give each channel mean 0 and variance 1 over the batch, then a learned scale and shift.

        y = (x - mean) / sqrt(var + eps) · scale + bias
        params  = 2 C
        buffers = 2 C           running mean and variance, which inference uses
        flops   = 2 per element at inference, where all is one multiplication and one addition

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """

    name = "bn"
    momentum: float = param(
        "share of the old running statistics at each step; PyTorch's momentum is 1 less this",
        Number(0, 1),
        0.9,
    )
    eps: float = param(_EPS, Number(0, below=1), 1e-5)
    scale: bool = param("whether each channel has a learned scale", Boolean(), True)
    bias: bool = param("whether each channel has a learned shift", Boolean(), True)
    init: str = param(
        "how the scale starts; zeros make a residual block start as the identity",
        Choice("ones", "zeros"),
        "ones",
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.init != "ones" and not self.scale:
            raise OpError(
                "argument-value",
                f"init = {self.init} is of the learned scale, which scale = false leaves out",
                argument="init",
            )
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (inputs[0].channels,)
        return (
            *super().weights(*inputs),
            Weight("mean", shape, "running_mean", (0,), trainable=False),
            Weight("var", shape, "running_var", (0,), trainable=False),
        )

    def derived(self, *inputs: TensorType) -> tuple[Derived, ...]:
        return (Derived("num_batches_tracked", (), "I64"),)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=2 * output.elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        buffers = 2 * named("C", output.channels)
        return (
            *self.learning(output),
            Step("buffers", buffers, "a running mean and variance for each channel, not trained"),
            Step(
                "flops",
                2 * values_count(output.shape),
                "at inference all is one multiplication and one addition",
            ),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        keywords: list[tuple[str, Fragment]] = [
            ("momentum", self.momentum),
            ("epsilon", Usual(self.eps, 1e-5)),
        ]
        keywords += self.learned()
        if self.init == "zeros":
            keywords.append(("scale_init", call("nnx.initializers.zeros_init")))
        keywords.append(("rngs", Rngs()))
        return Emission(
            Call(Module(), (Input(),), (("use_running_average", NotTrain()),)),
            call("nnx.BatchNorm", whole(inputs[0].channels), **dict(keywords)),
        )


class LayerNorm(_Normalisation):
    """Give the channels of each pixel mean 0 and variance 1, then a learned scale and shift.

        y = (x - mean_C) / sqrt(var_C + eps) · scale + bias
        params = 2 C
        flops  = 7 per element: mean 1, variance 2, the quotient 2, scale and shift 2

    Source: Ba, Kiros & Hinton 2016, arXiv:1607.06450, §3; over channels only, as in ConvNeXt.
    """

    name = "layernorm"
    eps: float = param(_EPS, Number(0, below=1), 1e-6)
    scale: bool = param("whether each channel has a learned scale", Boolean(), True)
    bias: bool = param("whether each channel has a learned shift", Boolean(), True)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=7 * output.elements)

    def emit(self, *inputs: TensorType) -> Emission:
        keywords: list[tuple[str, Fragment]] = [("epsilon", Usual(self.eps, 1e-6))]
        keywords += [*self.learned(), ("rngs", Rngs())]
        module = call("nnx.LayerNorm", whole(inputs[0].channels), **dict(keywords))
        return Emission(Call(Module(), (Input(),)), module)


class GroupNorm(_Normalisation):
    """Give each of G groups of channels mean 0 and variance 1 over the image, then scale and shift.

        y = (x - mean_G) / sqrt(var_G + eps) · scale + bias
        params = 2 C
        flops  = 7 per element, as layernorm

    As for all normalisations, its statistics don't count in the receptive field.
    Source: Wu & He 2018, arXiv:1803.08494, §3.1.
    """

    name = "groupnorm"
    groups: int = param("groups G of channels", Integer(1), 32)
    eps: float = param(_EPS, Number(0, below=1), 1e-5)
    scale: bool = param("whether each channel has a learned scale", Boolean(), True)
    bias: bool = param("whether each channel has a learned shift", Boolean(), True)

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if isinstance(x.channels, int) and x.channels % self.groups:
            raise OpError(
                "channels-not-divisible",
                f"groups = {self.groups} does not divide the {x.channels} channels of the input",
                argument="groups",
            )
        return x

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        return equal_parts(self, inputs[0].channels, "groups")

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=7 * output.elements)

    def emit(self, *inputs: TensorType) -> Emission:
        keywords: list[tuple[str, Fragment]] = [("num_groups", self.groups), ("epsilon", self.eps)]
        keywords += [*self.learned(), ("rngs", Rngs())]
        module = call("nnx.GroupNorm", whole(inputs[0].channels), **dict(keywords))
        return Emission(Call(Module(), (Input(),)), module)


class LocalResponseNorm(Op):
    """Divide each value by the energy of its neighbours in the channels.

        y_c = x_c / (k + alpha · Σ x_j²)^beta       over the `size` channels j around c
        flops = size + 4 per element: squares 1, their sum size - 1, and 4 for the rest

    The defaults and the form are AlexNet's. Caffe, PyTorch and TensorFlow's `lrn` in some layers
    divide alpha by `size`, and start from k = 1: their alpha is `size` times ours.
    Source: Krizhevsky, Sutskever & Hinton 2012, §3.3.
    """

    name = "lrn"
    size: int = param("channels in the neighbourhood", Integer(1), 5)
    alpha: float = param("weight of the sum of squares", Number(0), 1e-4)
    beta: float = param("exponent", Number(0), 0.75)
    k: float = param("constant added to the sum", Number(0), 2.0)

    def infer(self, *inputs: TensorType) -> TensorType:
        require_image(self, inputs[0])
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=(self.size + 4) * output.elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        operations = (named("n", self.size) + 4) * values_count(output.shape)
        note = "n neighbours: a square, n − 1 additions of squares, and 4 for the rest"
        return (Step("flops", operations, note),)

    def emit(self, *inputs: TensorType) -> Emission:
        keywords: list[tuple[str, Fragment]] = [
            ("size", self.size),
            ("alpha", self.alpha),
            ("beta", self.beta),
            ("k", self.k),
        ]
        apply = call("local_response_norm", Input(), **dict(keywords))
        return Emission(apply, runtime=("local_response_norm",))


class Scale(Op):
    """Multiply each channel by a learned number, and maybe add one.

        y_c = x_c · scale_c (+ bias_c)
        params = C + C·bias
        flops  = 1 per element, 2 with bias

    LeNet-5's trainable subsampling is `avgpool(2x2) -> scale(bias = true)`; ConvNeXt's layer scale
    is `scale(init = 1e-6)`.
    Source: LeCun et al. 1998, §II.B; Touvron et al. 2021, arXiv:2103.17239, §2.
    """

    name = "scale"
    holds_weights = True
    init: float = param("where each factor starts", Number(), 1.0)
    bias: bool = param("whether each channel adds a learned constant", Boolean(), False)

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (inputs[0].channels,)
        # torchvision's ConvNeXt holds it as a loose array, (C, 1, 1).
        scale = Weight("scale", shape, "", (0, -1, -1))
        return (scale, Weight("bias", shape, "bias", (0,))) if self.bias else (scale,)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=output.elements * (2 if self.bias else 1))

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        channels, values = named("C", output.channels), values_count(output.shape)
        if self.bias:
            note = "a factor and a constant for each channel"
            return Step("weights", 2 * channels, note), Step("flops", 2 * values)
        return Step("weights", channels, "a factor for each channel"), Step("flops", values)

    def emit(self, *inputs: TensorType) -> Emission:
        keywords: list[tuple[str, Fragment]] = [
            ("init", Usual(self.init, 1.0)),
            ("use_bias", Usual(self.bias, False)),
        ]
        module = call("Scale", whole(inputs[0].channels), **dict(keywords))
        return Emission(Call(Module(), (Input(),)), module, runtime=("scale",))
