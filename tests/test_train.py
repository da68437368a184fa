"""Optimizers and schedules against closed forms, the loop, checkpoints and resuming."""

from __future__ import annotations

import functools
import io
import json
import math
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from netdsl.data.augment import change_of
from netdsl.data.batches import Batches
from netdsl.data.dataset import Part, Statistics
from netdsl.graph import Graph, Node, Origin, Output, Region
from netdsl.ops.base import Op
from netdsl.recipe_kinds import Duration
from netdsl.settings import (
    Adam,
    AdamW,
    Constant,
    Cosine,
    CrossEntropy,
    Exponential,
    Lamb,
    Optimizer,
    RandomShift,
    RmsProp,
    Schedule,
    Settings,
    Sgd,
    Step,
)
from netdsl.source import Source
from netdsl.tensor import TensorType
from netdsl.train.checkpoints import Checkpoints, Weights
from netdsl.train.classifier import Classifier, Inference, Normalisation, inference, interface_of
from netdsl.train.curves import draw_curves
from netdsl.train.errors import NotFinite, RunDamaged, RunRefused
from netdsl.train.evaluation import evaluate, log_softmax, measure
from netdsl.train.folder import RunFolder
from netdsl.train.loop import Equipment, fit
from netdsl.train.optimizer import loss_of, rate_of, transformation
from netdsl.train.progress import TrainingProgress
from netdsl.train.step import State, Stepper
from netdsl.train.stopping import Stopping

# ---------------------------------------------------------------- schedules


def rates(schedule: Schedule, epochs: int = 10, steps_per_epoch: int = 4) -> list[float]:
    settings = Settings(optimizer=Adam(), schedule=schedule, epochs=epochs)
    rate = rate_of(settings, steps_per_epoch)
    return [float(rate(step)) for step in range(epochs * steps_per_epoch)]


def test_constant() -> None:
    assert rates(Constant(peak=0.3)) == pytest.approx([0.3] * 40)


@pytest.mark.parametrize("warmup", [1, 2, 5])
def test_warmup(warmup: int) -> None:
    found = rates(Constant(peak=0.3, warmup=Duration(warmup, "steps")))
    expected = [0.3 * min((t + 1) / warmup, 1) for t in range(40)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("warmup", [0, 2])
def test_cosine(warmup: int) -> None:
    found = rates(Cosine(peak=0.4, warmup=Duration(warmup, "epochs"), end=0.1))
    w = 4 * warmup
    expected = [0.4 * (t + 1) / w for t in range(w)]
    expected += [0.1 + 0.3 * (1 + math.cos(math.pi * (t - w) / (40 - w))) / 2 for t in range(w, 40)]
    assert found == pytest.approx(expected, rel=1e-5)


def test_cosine_that_is_all_warmup() -> None:
    found = rates(Cosine(peak=0.4, warmup=Duration(20, "epochs")))
    assert found == pytest.approx([0.4 * (t + 1) / 80 for t in range(40)], rel=1e-5)


@pytest.mark.parametrize("staircase", [False, True])
def test_exponential(staircase: bool) -> None:
    found = rates(
        Exponential(
            peak=0.2,
            factor=0.94,
            every=Duration(2, "epochs"),
            staircase=staircase,
            warmup=Duration(1, "epochs"),
        )
    )
    exponents = [(t - 4) / 8 for t in range(4, 40)]
    if staircase:
        exponents = [math.floor(each) for each in exponents]
    expected = [0.05, 0.1, 0.15, 0.2] + [0.2 * 0.94**each for each in exponents]
    assert found == pytest.approx(expected, rel=1e-5)


def test_step_every() -> None:
    found = rates(Step(peak=1.0, factor=0.5, every=Duration(3, "epochs")))
    assert found == pytest.approx([0.5 ** (t // 12) for t in range(40)])


@pytest.mark.parametrize("warmup", [0, 3])
def test_step_at(warmup: int) -> None:
    moments = (Duration(2, "epochs"), Duration(5, "epochs"))
    found = rates(Step(peak=1.0, at=moments, warmup=Duration(warmup, "epochs")))
    w = 4 * warmup
    expected = [(t + 1) / w for t in range(w)]
    expected += [0.1 ** ((t >= 8) + (t >= 20)) for t in range(w, 40)]
    assert found == pytest.approx(expected)


def test_peak_of_the_optimizer() -> None:
    settings = Settings(optimizer=Sgd(0.7), schedule=Constant())
    assert float(rate_of(settings, 3)(0)) == pytest.approx(0.7)


# ---------------------------------------------------------------- optimizers

WEIGHTS = np.array([0.5, -1.0, 2.0])
GRADIENTS = [np.array([0.1, -0.2, 0.3]), np.array([-0.4, 0.1, 0.2]), np.array([0.3, 0.3, -0.1])]
RATE = 0.1


def sgd_by_hand(momentum: float, nesterov: bool, decay: float) -> np.ndarray:
    w, m = WEIGHTS.copy(), np.zeros(3)
    for g in GRADIENTS:
        g = g + decay * w
        m = momentum * m + g
        w = w - RATE * (g + momentum * m if nesterov else m)
    return w


def adam_direction(epsilon: float) -> Callable[[np.ndarray, int], np.ndarray]:
    m, v = np.zeros(3), np.zeros(3)

    def direction(g: np.ndarray, t: int) -> np.ndarray:
        nonlocal m, v
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        return (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + epsilon)

    return direction


def adam_by_hand(decay: float = 0.0) -> np.ndarray:
    w, direction = WEIGHTS.copy(), adam_direction(1e-8)
    for t, g in enumerate(GRADIENTS, 1):
        w = w - RATE * (direction(g, t) + decay * w)
    return w


def rmsprop_by_hand(momentum: float, decay: float) -> np.ndarray:
    w, v, m = WEIGHTS.copy(), np.zeros(3), np.zeros(3)
    for g in GRADIENTS:
        g = g + decay * w
        v = 0.9 * v + 0.1 * g**2
        m = momentum * m + g / np.sqrt(v + 1e-8)
        w = w - RATE * m
    return w


def lamb_by_hand(decay: float) -> np.ndarray:
    w, direction = WEIGHTS.copy(), adam_direction(1e-6)
    for t, g in enumerate(GRADIENTS, 1):
        u = direction(g, t) + decay * w
        w = w - RATE * np.linalg.norm(w) / np.linalg.norm(u) * u
    return w


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Sgd(), sgd_by_hand(0, False, 0)),
        (Sgd(momentum=0.9, weight_decay=0.01), sgd_by_hand(0.9, False, 0.01)),
        (Sgd(momentum=0.9, nesterov=True), sgd_by_hand(0.9, True, 0)),
        (Adam(), adam_by_hand()),
        (AdamW(weight_decay=0.1), adam_by_hand(0.1)),
        (RmsProp(), rmsprop_by_hand(0, 0)),
        (RmsProp(momentum=0.9, weight_decay=0.01), rmsprop_by_hand(0.9, 0.01)),
        (Lamb(), lamb_by_hand(0)),
        (Lamb(weight_decay=0.1), lamb_by_hand(0.1)),
    ],
    ids=repr,
)
def test_three_steps_by_hand(optimizer: Optimizer, expected: np.ndarray) -> None:
    update = transformation(optimizer, optax.constant_schedule(RATE))
    weights = {"w": jnp.asarray(WEIGHTS, jnp.float32)}
    state = update.init(weights)
    for gradient in GRADIENTS:
        updates, state = update.update({"w": jnp.asarray(gradient, jnp.float32)}, state, weights)
        weights = optax.apply_updates(weights, updates)
    # float32 loses 1 - 0.999^t in Adam's correction to 1e-4.
    np.testing.assert_allclose(weights["w"], expected, rtol=2e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_by_hand(smoothing: float) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 5))
    labels = np.array([0, 3, 4, 1])
    targets = np.full((4, 5), smoothing / 5)
    targets[range(4), labels] += 1 - smoothing
    expected = -(targets * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1).mean()
    found = loss_of(CrossEntropy(smoothing), jnp.asarray(logits), jnp.asarray(labels))
    assert float(found) == pytest.approx(expected, rel=1e-5)


# ---------------------------------------------------------------- a network to train

CLASSES, SIZE = 3, 8


class Tiny(nnx.Module):
    """Convolution, batch normalisation, dropout and two heads: all that a state can hold."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Conv(1, 4, (3, 3), rngs=rngs)])
        self.bn = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.2)
        self.top = nnx.Linear(4 * SIZE * SIZE, CLASSES, rngs=rngs)
        self.side = nnx.Linear(4, CLASSES, rngs=rngs)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> object:
        x = nnx.relu(self.bn(self.layers[0](x), use_running_average=not train))
        side = self.side(x.mean(axis=(1, 2)))
        x = self.dropout(x.reshape(len(x), -1), deterministic=not train, rngs=rngs)
        x = self.top(x)
        return (x, (side,)) if train else x


def graph_of(
    shape: tuple[int, ...] = (SIZE, SIZE, 1),
    result: tuple[int, ...] = (CLASSES,),
    weight: float | None = 0.3,
) -> Graph:
    """A graph whose ends are those of `Tiny`; training reads nothing else of it."""
    span = Source("tiny.net", "").span(0, 0)
    origin = Origin(span, {}, ())
    op = cast(Op, object())  # Which operator is none of training's business.
    nodes = (
        Node(0, None, (), TensorType(shape), (), origin),
        Node(1, op, (0,), TensorType(result), ("top",), origin),
        Node(2, op, (0,), TensorType((CLASSES,)), ("side",), origin),
    )
    outputs = [Output("top", 1)]
    if weight is not None:
        outputs.append(Output("side", 2, weight))
    root = Region("network", "", "tiny", span, (), {}, (0, 1, 2), 0, 1)
    return Graph("tiny", "", {}, nodes, root, tuple(outputs), frozenset({2}), {})


class Network(NamedTuple):
    name: str = "tiny"
    graph: Graph = graph_of()

    def module(self, rngs: nnx.Rngs) -> nnx.Module:
        return Tiny(rngs=rngs)


def squares(count: int, seed: int = 0) -> Part:
    """Noise with a bright square at the place of its class."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, SIZE, SIZE, 1), np.uint8)
    labels = (np.arange(count) % CLASSES).astype(np.int32)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3, 2 * label : 2 * label + 3] = 220
    return Part(images, labels)


NORMALISATION = Normalisation((0.2,), (0.2,))
CLASSIFIER = Classifier(Network())
INFER = inference(CLASSIFIER, NORMALISATION)
PLAIN = Statistics((0.2,), (0.2,), ((0.04,),), 1)


@functools.cache
def compiled(settings: Settings, steps_per_epoch: int) -> tuple[Stepper, Inference]:
    """Shared by tests, since compiling takes longer than all that they do."""
    stepper = Stepper(CLASSIFIER, settings, NORMALISATION, steps_per_epoch)
    return stepper, INFER


def equipment(
    folder: Path,
    epochs: int = 2,
    batch: int = 4,
    optimizer: Optimizer | None = None,
    train: Part | None = None,
    workers: int = 2,
    validation: bool = True,
) -> Equipment:
    settings = Settings(
        optimizer=optimizer or Sgd(0.05, momentum=0.9), epochs=epochs, batch=batch, seed=7
    )
    changes = (change_of(RandomShift(1), PLAIN),)
    batches = Batches(train or squares(18), batch, settings.seed, changes)
    stepper, infer = compiled(settings, batches.steps_per_epoch)
    return Equipment(
        stepper,
        infer,
        batches,
        squares(9, seed=1) if validation else None,
        RunFolder(folder),
        Checkpoints(folder / "checkpoints"),
        workers,
    )


def run(
    tools: Equipment, state: State | None = None, stop: Callable[[], bool] = lambda: False
) -> tuple[State, str]:
    """Train on a stream that is no terminal; the last state, and what was written."""
    stream = io.StringIO()
    tools.folder.path.mkdir(exist_ok=True)
    start = tools.stepper.initial() if state is None else state
    progress = TrainingProgress(
        stream, tools.stepper.settings.epochs, tools.batches.steps_per_epoch, int(start.step),
        color=False,
    )  # fmt: skip
    with progress:
        return fit(tools, start, progress, stop), stream.getvalue()


def resumed(tools: Equipment) -> State:
    step = tools.checkpoints.steps()[-1]
    tools.folder.rewind_metrics(step)
    return tools.checkpoints.restore(step, tools.stepper.abstract())


def assert_same(one: State, other: State) -> None:
    """Bit for bit, in every array."""
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(one),
        jax.tree_util.tree_leaves_with_path(other),
        strict=True,
    )
    for (path, left), (_, right) in pairs:
        np.testing.assert_array_equal(left, right, err_msg=str(path))


# ---------------------------------------------------------------- the network as functions


def test_arrays_by_path() -> None:
    parameters, statistics = CLASSIFIER.abstract()
    assert sorted(parameters) == [
        "bn.bias", "bn.scale", "layers.0.bias", "layers.0.kernel",
        "side.bias", "side.kernel", "top.bias", "top.kernel",
    ]  # fmt: skip
    assert sorted(statistics) == ["bn.mean", "bn.var"]
    assert parameters["layers.0.kernel"].shape == (3, 3, 1, 4)


def test_functions_equal_the_module() -> None:
    classifier = CLASSIFIER
    parameters, statistics = classifier.initial(jax.random.key(3))
    module = Tiny(rngs=nnx.Rngs(jax.random.key(3)))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, SIZE, SIZE, 1)), jnp.float32)
    np.testing.assert_allclose(
        classifier.infer(parameters, statistics, x), module(x), rtol=1e-5, atol=1e-6
    )
    key = jax.random.key(9)
    logits, sides, changed = classifier.train(parameters, statistics, x, key)
    expected, (side,) = module(x, train=True, rngs=nnx.Rngs(key))  # type: ignore[misc]  # a pair
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sides[0], side, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(changed["bn.mean"], module.bn.mean[...], rtol=1e-6)
    assert not np.array_equal(changed["bn.mean"], statistics["bn.mean"])


def test_normalisation() -> None:
    images = np.array([[[[0, 255]]]], np.uint8)
    normalised = Normalisation((0.5, 0.25), (0.5, 0.25)).apply(jnp.asarray(images))
    np.testing.assert_allclose(normalised[0, 0, 0], [-1, 3], rtol=1e-6)
    fractions = Normalisation((0.5,), (0.5,)).apply(jnp.full((1, 1, 1, 1), 0.75, jnp.float32))
    assert float(fractions[0, 0, 0, 0]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (graph_of(shape=(12,)), "takes a network of one image; `tiny` takes 12"),
        (graph_of(result=(4, 4, 2)), "one number for each class; `tiny` ends in 4×4×2"),
    ],
)
def test_other_networks_are_refused(graph: Graph, message: str) -> None:
    with pytest.raises(RunRefused, match=message):
        interface_of(graph)


def test_side_branches_count_by_their_weights(tmp_path: Path) -> None:
    """One plain step against the gradient of main loss + 0.3 side loss, taken apart from netdsl."""
    tools = equipment(tmp_path, optimizer=Sgd(0.5))
    start = tools.stepper.initial()
    before = {name: np.array(value) for name, value in start.parameters.items()}
    images = jnp.asarray(tools.batches.at(0).images)
    labels = jnp.asarray(tools.batches.at(0).labels)
    module = Tiny(rngs=nnx.Rngs(jax.random.fold_in(jax.random.key(7), 0)))
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(7), 1), 0)

    def loss(model: Tiny) -> jax.Array:
        logits, (side,) = model(NORMALISATION.apply(images), train=True, rngs=nnx.Rngs(key))
        one_hot = jax.nn.one_hot(labels, CLASSES)
        main = -(one_hot * jax.nn.log_softmax(logits)).sum(-1).mean()
        return main - 0.3 * (one_hot * jax.nn.log_softmax(side)).sum(-1).mean()

    gradients = nnx.to_flat_state(nnx.grad(loss)(module))
    after = tools.stepper.step(start, images, labels)
    for path, gradient in gradients:
        name = ".".join(map(str, path))
        expected = before[name] - 0.5 * np.array(gradient.get_value())
        np.testing.assert_allclose(after.parameters[name], expected, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- the loop


def test_overfits_sixteen_images(tmp_path: Path) -> None:
    tools = equipment(
        tmp_path, epochs=25, batch=8, optimizer=Adam(1e-2), train=squares(16), validation=False
    )
    tools.batches.changes = ()
    state, text = run(tools)
    logits = tools.infer(state.parameters, state.statistics, squares(16).images[:])
    assert measure(np.asarray(logits), squares(16).labels, CLASSES).accuracy == 1.0
    records = tools.folder.read_metrics()
    assert records[-1]["loss"] < records[0]["loss"] / 4
    assert len(text.splitlines()) == 25
    assert "validation_loss" not in records[-1]


def test_records(tmp_path: Path) -> None:
    tools = equipment(tmp_path)
    state, text = run(tools)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["epoch"] for record in records] == [1, 2]
    assert [record["step"] for record in records] == [4, 8]
    assert records[0]["rate"] == pytest.approx(0.05)
    assert text.startswith("epoch 1/2  loss ")
    logits = np.asarray(tools.infer(state.parameters, state.statistics, squares(9, 1).images[:]))
    expected = measure(logits, squares(9, 1).labels, CLASSES)
    assert records[1]["validation_loss"] == pytest.approx(expected.loss, rel=1e-5)
    assert records[1]["validation_accuracy"] == expected.accuracy


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[State, RunFolder]:
    """Four epochs in one go."""
    tools = equipment(tmp_path_factory.mktemp("straight"), epochs=4)
    return run(tools)[0], tools.folder


def comparable(folder: RunFolder) -> list[dict[str, object]]:
    """Metrics but for how long things took."""
    timed = ("wall_s", "images_per_s")
    return [{k: v for k, v in r.items() if k not in timed} for r in folder.read_metrics()]


def test_resuming_is_exact(tmp_path: Path, straight: tuple[State, RunFolder]) -> None:
    run(equipment(tmp_path, epochs=2))
    rest = equipment(tmp_path, epochs=4, workers=1)
    state, _ = run(rest, resumed(rest))
    assert_same(straight[0], state)
    assert comparable(rest.folder) == comparable(straight[1])


def test_resuming_within_an_epoch_is_exact(
    tmp_path: Path, straight: tuple[State, RunFolder]
) -> None:
    tools = equipment(tmp_path, epochs=4)
    asked = 0

    def after_six_steps() -> bool:
        nonlocal asked
        asked += 1
        return asked == 6

    stopped, _ = run(tools, stop=after_six_steps)
    assert int(stopped.step) == 6 and tools.checkpoints.steps()[-1] == 6
    rest = equipment(tmp_path, epochs=4)
    state, _ = run(rest, resumed(rest))
    assert_same(straight[0], state)
    assert comparable(rest.folder) == comparable(straight[1])


def test_a_record_ahead_of_its_checkpoint_is_taken_back(tmp_path: Path) -> None:
    tools = equipment(tmp_path)
    run(tools)
    assert [record["step"] for record in tools.folder.rewind_metrics(7)] == [4]
    assert [record["step"] for record in tools.folder.read_metrics()] == [4]


def test_a_cut_line_is_dropped(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.append_metrics({"epoch": 1, "step": 4})
    with folder.metrics.open("a") as file:
        file.write('{"epoch": 2, "st')
    assert folder.read_metrics() == [{"epoch": 1, "step": 4}]
    with folder.metrics.open("a") as file:
        file.write("\n")
    with pytest.raises(RunDamaged, match="line 2 is not JSON"):
        folder.read_metrics()


def test_not_finite_names_the_step(tmp_path: Path) -> None:
    poisoned = squares(16)
    images = poisoned.images[:].astype(np.float32) / 255
    tools = equipment(tmp_path, train=Part(images, poisoned.labels), validation=False)
    tools.batches.changes = ()
    chosen = int(tools.batches.order(0)[9])  # Of the third batch of four.
    images[chosen, 0, 0, 0] = np.inf
    with pytest.raises(NotFinite, match=r"the loss of step 3 \(epoch 1\)"):
        run(tools)
    assert tools.checkpoints.steps() == []


def test_bar_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    tools = equipment(tmp_path)
    with TrainingProgress(stream, 2, 4, 0, color=True) as progress:
        progress.show(3, 0.25, 0.5)
        fit(tools, tools.stepper.initial(), progress)
    assert "3/8" in stream.getvalue() and "50.00 %" in stream.getvalue()
    assert stream.getvalue().count("validation loss") == 2


# ---------------------------------------------------------------- checkpoints


def test_newest_and_best_stay(tmp_path: Path) -> None:
    tools = equipment(tmp_path)
    state = tools.stepper.initial()
    for step, accuracy in ((1, 0.5), (2, 0.9), (3, 0.6), (4, None), (5, 0.7)):
        metrics = None if accuracy is None else {"validation_accuracy": accuracy}
        tools.checkpoints.save(state._replace(step=jnp.int32(step)), metrics)
    assert tools.checkpoints.steps() == [2, 4, 5]
    assert tools.checkpoints.best_step() == 2
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"2", "4", "5"}


def test_without_validation_the_newest_is_best(tmp_path: Path) -> None:
    tools = equipment(tmp_path)
    assert tools.checkpoints.best_step() is None
    for step in (1, 2):
        tools.checkpoints.save(tools.stepper.initial()._replace(step=jnp.int32(step)), None)
    assert tools.checkpoints.best_step() == 2


def test_weights_alone(tmp_path: Path) -> None:
    tools = equipment(tmp_path)
    state, _ = run(tools)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        found = checkpoints.restore_weights(8, Weights(*CLASSIFIER.abstract()))
    for name, value in state.parameters.items():
        np.testing.assert_array_equal(found.parameters[name], value)


def test_other_shapes_are_named(tmp_path: Path) -> None:
    tools = equipment(tmp_path)
    run(tools)
    parameters, statistics = CLASSIFIER.abstract()
    parameters["top.bias"] = jax.ShapeDtypeStruct((9,), jnp.float32)
    with pytest.raises(RunDamaged, match=r"has `parameters/top\.bias` of 3, not 9"):
        tools.checkpoints.restore_weights(8, Weights(parameters, statistics))
    parameters["new"] = parameters.pop("top.bias")
    with pytest.raises(RunDamaged, match="has no array `parameters/new`"):
        tools.checkpoints.restore_weights(8, Weights(parameters, statistics))


def test_damage_is_told(tmp_path: Path) -> None:
    tools = equipment(tmp_path)
    run(tools)
    for path in (tmp_path / "checkpoints" / "8").glob("weights/**/d/*"):
        path.write_bytes(b"x")
    with pytest.raises(RunDamaged, match=r"checkpoints/8 can't be read: .*remove that folder"):
        resumed(tools)


def test_what_a_failed_transfer_leaves_is_not_reported(tmp_path: Path) -> None:
    """Anything reported here would fail this test, as it does the others."""
    equipment(tmp_path)
    late = RuntimeError("Event loop is closed")
    sys.unraisablehook(
        SimpleNamespace(
            exc_type=RuntimeError, exc_value=late, exc_traceback=None, err_msg=None, object=None
        )
    )


# ---------------------------------------------------------------- evaluation


def test_measures_by_hand() -> None:
    logits = np.array([[5.0, 1, 2], [1, 5, 2], [1, 2, 5], [9, 0, 0]])
    found = measure(logits, np.array([0, 1, 1, 2]), 3)
    assert found.accuracy == 0.5
    assert found.confusion.tolist() == [[1, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert found.class_accuracy() == [1.0, 0.5, 0.0]
    assert found.top5_accuracy is None
    expected = -np.mean([np.log(np.exp(row[k]) / np.exp(row).sum()) for row, k in
                         zip(logits, [0, 1, 1, 2], strict=True)])  # fmt: skip
    assert found.loss == pytest.approx(expected)
    assert measure(logits, np.array([0, 1, 1, 0]), 3).class_accuracy()[2] is None


def test_top_five() -> None:
    logits = np.tile(np.arange(8.0), (8, 1))
    assert measure(logits, np.arange(8), 8).top5_accuracy == 5 / 8


def test_large_logits() -> None:
    found = log_softmax(np.array([[1e4, 0.0]], np.float32))
    np.testing.assert_allclose(found, [[0, -1e4]])


@pytest.mark.parametrize("batch", [1, 4, 9, 20])
def test_evaluation_is_the_same_for_every_batch(batch: int) -> None:
    part = squares(9)
    sizes = set()

    def logits_of(images: np.ndarray) -> np.ndarray:
        sizes.add(len(images))
        return images.reshape(len(images), -1)[:, :CLASSES].astype(np.float32)

    found = evaluate(logits_of, part, CLASSES, batch, workers=2)
    expected = measure(
        part.images[:].reshape(9, -1)[:, :CLASSES].astype(np.float32), part.labels, 3
    )
    assert found.loss == expected.loss and sizes == {batch}


# ---------------------------------------------------------------- folder, curves, signals


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(RunRefused, match="is not empty: name another folder with --out"):
        RunFolder(tmp_path).hold(resume=False)
    with pytest.raises(RunRefused, match=r"no run to go on with \(no run\.json\)"):
        RunFolder(tmp_path).hold(resume=True)


def test_a_run_is_not_begun_twice(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "new" / "run")
    folder.hold(resume=False)
    folder.write_description({"network": "x"})
    with pytest.raises(RunRefused, match="another process is training"):
        RunFolder(folder.path).hold(resume=True)
    folder.release()
    with pytest.raises(RunRefused, match="is not empty: go on with --resume"):
        RunFolder(folder.path).hold(resume=False)
    again = RunFolder(folder.path)
    again.hold(resume=True)
    assert again.description() == {"format": 1, "network": "x"}
    again.release()


@pytest.mark.parametrize("text", ["", "[1]", '{"format": 2}', "[" * 100_000])
def test_broken_description(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunDamaged, match=r"run\.json"):
        RunFolder(tmp_path).description()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDamaged, match="can't be used"):
        RunFolder(tmp_path / "file").hold(resume=False)


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("count", [1, 30])
def test_curves(tmp_path: Path, validated: bool, count: int) -> None:
    records = []
    for epoch in range(1, count + 1):
        record = {"epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 1 / (epoch + 1)}
        if validated:
            record |= {"validation_loss": 0.9 / epoch, "validation_accuracy": 1 - 0.8 / epoch}
        records.append(record)
    draw_curves(records, "tiny", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_a_signal_becomes_a_wish() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stopping() as stopping:
        assert not stopping()
        signal.raise_signal(signal.SIGINT)
        assert stopping() and stopping.signal_number == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is before  # A second one acts as ever.
    assert signal.getsignal(signal.SIGINT) is before


def test_signals_beside_the_main_thread() -> None:
    wishes: list[bool] = []

    def enter() -> None:
        with Stopping() as stopping:
            wishes.append(stopping())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert wishes == [False]
