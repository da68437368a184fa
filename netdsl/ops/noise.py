"""What drops values at random in training, and does nothing at inference."""

from __future__ import annotations

from netdsl.code import Call, Emission, Input, NotTrain, Rngs, Train, call
from netdsl.derivation import Step, remark
from netdsl.kinds import Number
from netdsl.ops.base import Op
from netdsl.parameters import param
from netdsl.tensor import Cost, TensorType, Weight


class _Dropping(Op):
    rate: float = param("probability with which it drops", Number(0, 1))

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost()

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        return (remark("works in training alone: no weights, and no operation at inference"),)


class Dropout(_Dropping):
    """In training, set each value to 0 with probability `rate`, else divide it by 1 - rate.

    No operation at inference.
    Source: Srivastava et al. 2014, JMLR 15; scaled in training, as all frameworks do today.
    """

    name = "dropout"

    def emit(self, *inputs: TensorType) -> Emission:
        # Made on the spot: it has no weights, and its random numbers are the caller's.
        layer = call("nnx.Dropout", self.rate)
        keywords = (("deterministic", NotTrain()), ("rngs", Rngs()))
        return Emission(Call(layer, (Input(),), keywords))


class StochasticDepth(_Dropping):
    """In training, set a whole image's value to 0 with probability `rate`, else divide by 1 - rate.

    At the end of a residual's body it drops that body. No operation at inference.
    Source: Huang et al. 2016, arXiv:1603.09382; per image, as EfficientNet has it.
    """

    name = "stochastic_depth"

    def emit(self, *inputs: TensorType) -> Emission:
        apply = call("stochastic_depth", Input(), self.rate, train=Train(), rngs=Rngs())
        return Emission(apply, runtime=("stochastic_depth",))
