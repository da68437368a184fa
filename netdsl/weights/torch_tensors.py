"""What PyTorch pickles of a tensor, in terms of ours: a strided view of a storage.

Source: torch/_utils.py (`_rebuild_tensor_v2` and those beside it), torch/serialization.py
(`persistent_id`).
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from netdsl.weights.pickled import Maker, Name, Pairs, PickleError, damaged
from netdsl.weights.tensors import MAXIMUM_ELEMENTS, MAXIMUM_RANK, brief, span_elements

STORAGES = {
    "BFloat16": "BF16",
    "Bool": "BOOL",
    "Byte": "U8",
    "Char": "I8",
    "Double": "F64",
    "Float": "F32",
    "Half": "F16",
    "Int": "I32",
    "Long": "I64",
    "Short": "I16",
}

STORAGE_DTYPES = {
    f"{module}.{name}Storage": dtype
    for module in ("torch", "torch.cuda")
    for name, dtype in STORAGES.items()
} | {"torch.storage.UntypedStorage": "U8"}


class Storage(NamedTuple):
    """A run of elements that tensors are views of; with `first`, a part of one."""

    key: str
    dtype: str
    elements: int
    first: int


class Tensor(NamedTuple):
    """A tensor as its pickle has it, of which `view` makes sure that it fits."""

    storage: Storage
    offset: int
    """In elements, from the storage's `first`."""
    sizes: tuple[object, ...]
    strides: tuple[object, ...]
    altered: bool
    """Whether its elements are to be conjugated or negated."""


class Storages:
    """What a pickled name of PyTorch's is in our terms; nothing else may be named."""

    def __init__(self) -> None:
        self.roots: dict[str, Storage] = {}
        self.makers: dict[str, Maker | None] = dict.fromkeys(STORAGE_DTYPES) | {
            "collections.OrderedDict": _ordered_dict,
            "torch.Size": _size,
            "torch._utils._rebuild_parameter": _parameter,
            "torch._utils._rebuild_tensor": _tensor,
            "torch._utils._rebuild_tensor_v2": _tensor,
            # As PyTorch before 0.4 pickled one.
            "torch.nn.parameter.Parameter": _parameter,
        }

    def refer(self, identity: tuple[object, ...]) -> Storage:
        """The storage of ("storage", type, key, device, elements[, view])."""
        match identity[:5]:
            case ("storage", Name(name), str(key), str(), int(elements)) if (
                name in STORAGE_DTYPES and 0 <= elements <= MAXIMUM_ELEMENTS
            ):
                storage = Storage(key, STORAGE_DTYPES[name], elements, 0)
            case _:
                raise damaged("its pickle refers to data that are no storage")
        if self.roots.setdefault(key, storage) != storage:
            raise damaged(f"it describes the storage `{brief(key)}` in two ways")
        match identity[5:6]:
            case () | (None,):
                return storage
            case ((str(), int(first), int(count)),) if (
                min(first, count) >= 0 and first + count <= elements
            ):
                return Storage(key, storage.dtype, count, first)
        raise damaged(f"it has a view beyond the storage `{brief(key)}`")


def _ordered_dict(given: tuple[object, ...]) -> Pairs:
    """An OrderedDict: empty, or of a list of [key, value] as Python 2 pickled it."""
    if not given:
        return Pairs([])
    if len(given) == 1 and type(given[0]) is list:
        return Pairs(given[0])
    raise damaged("an OrderedDict is not made of a list")


def _size(given: tuple[object, ...]) -> tuple[object, ...]:
    if len(given) == 1 and type(given[0]) is tuple:
        return given[0]
    raise damaged("a `torch.Size` is not made of sizes")


def _parameter(given: tuple[object, ...]) -> Tensor:
    # The others are requires_grad and hooks.
    if 1 <= len(given) <= 3 and isinstance(given[0], Tensor):
        return given[0]
    raise damaged("a Parameter is not made of a tensor")


def _tensor(given: tuple[object, ...]) -> Tensor:
    # After the first four come requires_grad, hooks and, if there are any, the bits that say what
    # to compute of the elements.
    match given:
        case (Storage() as storage, int(offset), tuple(sizes), tuple(strides), *rest) if (
            offset >= 0 and len(rest) in (0, 2, 3)
        ):
            altered = len(rest) == 3 and rest[2] not in (None, Pairs([]))
            return Tensor(storage, offset, sizes, strides, altered)
    raise damaged("a tensor is not made of a storage, an offset, sizes and strides")


def view(tensor: Tensor, shown: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape and the strides of a tensor within its storage. Raises PickleError."""
    if tensor.altered:
        raise PickleError(
            f"has `{shown}` stored conjugated or negated; "
            "in PyTorch, save it as `tensor.resolve_conj().resolve_neg()`"
        )
    shape, strides = _counts(tensor.sizes, shown), _counts(tensor.strides, shown)
    if len(shape) != len(strides):
        raise damaged(f"`{shown}` has {len(shape)} sizes and {len(strides)} strides")
    elements, stored = prod(shape), tensor.storage.elements
    if elements and tensor.offset + span_elements(shape, strides) > stored:
        raise damaged(f"`{shown}` reaches beyond the {stored:,} elements of its storage")
    if elements > stored:
        raise PickleError(
            f"has `{shown}`, whose {elements:,} elements repeat the {stored:,} of its storage; "
            "in PyTorch, save it as `tensor.clone()`"
        )
    return shape, strides


def _counts(values: tuple[object, ...], shown: str) -> tuple[int, ...]:
    if len(values) > MAXIMUM_RANK:
        raise PickleError(f"has `{shown}` of {len(values):,} axes; at most {MAXIMUM_RANK} are read")
    counts = tuple(
        value for value in values if type(value) is int and 0 <= value <= MAXIMUM_ELEMENTS
    )
    if len(counts) != len(values):
        raise damaged(f"a size or stride of `{shown}` is no count")
    return counts
