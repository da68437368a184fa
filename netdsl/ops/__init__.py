"""What networks are made of: each operator defined once, and the table of them."""

from __future__ import annotations

from netdsl.ops.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Tanh,
)
from netdsl.ops.attention import (
    Attention,
    BlockAttention,
    CosineWindowAttention,
    GridAttention,
    WindowAttention,
)
from netdsl.ops.base import Op
from netdsl.ops.conv import Conv, ConvTranspose, Depthwise
from netdsl.ops.dense import Dense
from netdsl.ops.merge import Add, Concat, Maximum, Multiply
from netdsl.ops.noise import Dropout, StochasticDepth
from netdsl.ops.norm import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm, Scale
from netdsl.ops.pool import (
    AdaptiveAveragePool,
    AdaptiveMaxPool,
    AveragePool,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
)
from netdsl.ops.shape import (
    ChannelShuffle,
    Crop,
    Flatten,
    Identity,
    Pad,
    Reshape,
    Select,
    SpaceToDepth,
    Split,
    Upsample,
)
from netdsl.ops.tokens import ClassToken, PositionEmbedding, TakeToken, Tokens

OPS: tuple[type[Op], ...] = (
    Conv,
    Depthwise,
    ConvTranspose,
    Dense,
    BatchNorm,
    LayerNorm,
    GroupNorm,
    LocalResponseNorm,
    Scale,
    Attention,
    WindowAttention,
    CosineWindowAttention,
    BlockAttention,
    GridAttention,
    Tokens,
    ClassToken,
    PositionEmbedding,
    TakeToken,
    MaxPool,
    AveragePool,
    GlobalAveragePool,
    GlobalMaxPool,
    AdaptiveAveragePool,
    AdaptiveMaxPool,
    Relu,
    Relu6,
    LeakyRelu,
    Elu,
    Gelu,
    Silu,
    HardSwish,
    HardSigmoid,
    Sigmoid,
    Tanh,
    Softmax,
    Dropout,
    StochasticDepth,
    Flatten,
    Reshape,
    Upsample,
    SpaceToDepth,
    Pad,
    Crop,
    Select,
    Split,
    ChannelShuffle,
    Identity,
    Concat,
    Add,
    Multiply,
    Maximum,
)
"""Every operator, in the order in which the reference lists them."""

OPERATORS: dict[str, type[Op]] = {op.name: op for op in OPS}
"""The operators by the word that calls them."""

WORDS: frozenset[str] = frozenset(
    word for op in OPS for parameter in op.parameters.values() for word in parameter.kind.words
)
"""The bare words that stand for themselves as arguments, such as `same`."""

SYNONYMS: dict[str, str] = {
    "adaptive_avg_pool": "adaptiveavgpool",
    "adaptive_max_pool": "adaptivemaxpool",
    "adaptiveavgpool2d": "adaptiveavgpool",
    "adaptivemaxpool2d": "adaptivemaxpool",
    "average_pool": "avgpool",
    "averagepooling2d": "avgpool",
    "avg_pool": "avgpool",
    "avgpool2d": "avgpool",
    "batch_norm": "bn",
    "batchnorm": "bn",
    "batchnorm2d": "bn",
    "batchnormalization": "bn",
    "cls_token": "class_token",
    "concatenate": "concat",
    "conv2d": "conv",
    "conv2d_transpose": "conv_transpose",
    "convolution": "conv",
    "convtranspose2d": "conv_transpose",
    "deconv": "conv_transpose",
    "depthwise_conv": "depthwise",
    "depthwiseconv2d": "depthwise",
    "drop_path": "stochastic_depth",
    "dropout2d": "dropout",
    "droppath": "stochastic_depth",
    "dwconv": "depthwise",
    "fc": "dense",
    "fully_connected": "dense",
    "gap": "globalavgpool",
    "global_average_pool": "globalavgpool",
    "global_avg_pool": "globalavgpool",
    "global_max_pool": "globalmaxpool",
    "global_pool": "globalavgpool",
    "globalaveragepooling2d": "globalavgpool",
    "globalmaxpooling2d": "globalmaxpool",
    "group_norm": "groupnorm",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "hsigmoid": "hard_sigmoid",
    "hswish": "hard_swish",
    "interpolate": "upsample",
    "layer_norm": "layernorm",
    "layer_scale": "scale",
    "layernormalization": "layernorm",
    "leakyrelu": "leaky_relu",
    "linear": "dense",
    "local_response_norm": "lrn",
    "lrelu": "leaky_relu",
    "max_pool": "maxpool",
    "maximum": "max",
    "maxpool2d": "maxpool",
    "maxpooling2d": "maxpool",
    "mha": "attention",
    "multi_head_attention": "attention",
    "multihead_attention": "attention",
    "multiheadattention": "attention",
    "multiply": "mul",
    "patch_merging": "space_to_depth",
    "pos_embedding": "position_embedding",
    "positional_embedding": "position_embedding",
    "resize": "upsample",
    "self_attention": "attention",
    "shifted_window_attention": "window_attention",
    "skip": "identity",
    "swish": "silu",
    "to_tokens": "tokens",
    "transposed_conv": "conv_transpose",
    "upsampling": "upsample",
    "upsampling2d": "upsample",
    "zero_pad": "pad",
    "zeropad": "pad",
    "zeropad2d": "pad",
    "zeropadding2d": "pad",
}
"""What other tools call our operators in small letters, for the help of an unknown one."""


ACTIVATION_LAYERS = ("activation", "act", "nonlinearity")
"""What other tools call a layer that takes the name of its function."""


def meant(name: str) -> str | None:
    """The operator that a name of another tool stands for: `MaxPool2d` for `maxpool`."""
    small = name.lower()
    return SYNONYMS.get(small) or (small if small in OPERATORS and small != name else None)
