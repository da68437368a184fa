"""Images as sequences of tokens: what stands before and after attention."""

from __future__ import annotations

from netdsl.code import Call, Emission, Input, Method, Module, Rngs, call
from netdsl.derivation import Step, named, values_count
from netdsl.kinds import Integer
from netdsl.ops.base import Op, OpError, Requirement, whole
from netdsl.ops.windows import require_image, require_sequence
from netdsl.parameters import param
from netdsl.tensor import Cost, TensorType, Weight


class Tokens(Op):
    """Make each pixel of the image a token of a sequence, row by row.

        x[N, H, W, C] -> y[N, H W, C]

    `reshape([H, W, -1])` makes an image of a sequence again.
    Source: Dosovitskiy et al. 2020, arXiv:2010.11929, §3.1.
    """

    name = "tokens"

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        height, width, channels = x.shape
        return TensorType((height * width, channels))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost()

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        height, width, channels = inputs[0].shape
        return (
            Step("tokens", named("H", height) * named("W", width), "each pixel is one", "T"),
            Step("channels", named("C", channels)),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        tokens, channels = self.infer(*inputs).shape
        return Emission(Method(Input(), "reshape", (-1, whole(tokens), whole(channels))))


class TakeToken(Op):
    """Go on with one token of the sequence, such as the class token, which is the first.

    x[N, T, C] -> y[N, C]
    """

    name = "take_token"
    index: int = param("which token, from 0", Integer(0))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_sequence(self, x)
        tokens, channels = x.shape
        if isinstance(tokens, int) and self.index >= tokens:
            raise OpError(
                "token-out-of-range",
                f"there is no token {self.index} in a sequence of {tokens}",
                argument="index",
                help="tokens count from 0",
            )
        return TensorType((channels,))

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        tokens = inputs[0].shape[0]
        if isinstance(tokens, int):
            return ()
        subject = f"`{self.name}` takes token {self.index}"
        return (
            Requirement("token-out-of-range", subject, "at least", tokens, self.index + 1, "index"),
        )

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost()

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        note = f"token {self.index} of {inputs[0].shape[0]}, counted from 0"
        return (Step("features", named("C", inputs[0].channels), note),)

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(call("jnp.take", Input(), self.index, axis=1))


class ClassToken(Op):
    """Put a learned token before the sequence, for attention to gather in it what is to be known.

        x[N, T, C] -> y[N, T + 1, C]
        params = C

    It starts at zero.
    Source: Dosovitskiy et al. 2020, arXiv:2010.11929, eq. 1.
    """

    name = "class_token"
    holds_weights = True

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_sequence(self, x)
        tokens, channels = x.shape
        return TensorType((tokens + 1, channels))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        # A loose array, (1, 1, C).
        return (Weight("token", (inputs[0].channels,), "", (-1, -1, 0)),)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost()

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        tokens, channels = inputs[0].shape
        return (
            Step("tokens", named("T", tokens) + 1, "the class token comes first", "T'"),
            Step("weights", named("C", channels), "the token's own values are learned"),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        module = call("ClassToken", whole(inputs[0].channels))
        return Emission(Call(Module(), (Input(),)), module, runtime=("class_token",))


class PositionEmbedding(Op):
    """Add a learned vector to each token, by its place in the sequence.

        y_t = x_t + e_t
        params = T C
        flops  = 1 per element

    It starts normal with a deviation of 0.02.
    Source: Dosovitskiy et al. 2020, arXiv:2010.11929, eq. 1.
    """

    name = "position_embedding"
    holds_weights = True

    def infer(self, *inputs: TensorType) -> TensorType:
        require_sequence(self, inputs[0])
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        # A loose array, (1, T, C).
        return (Weight("embedding", inputs[0].shape, "", (-1, 0, 1)),)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=output.elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        values = values_count(output.shape)
        return (
            Step("weights", values, "a learned vector for each place in the sequence"),
            Step("flops", values, "one addition each"),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        tokens, channels = inputs[0].shape
        module = call("PositionEmbedding", whole(tokens), whole(channels), rngs=Rngs())
        return Emission(Call(Module(), (Input(),)), module, runtime=("position_embedding",))
