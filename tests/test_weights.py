"""Weights come from PyTorch's state_dicts and go back, every bit of them, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from netdsl import load
from netdsl.main import run
from netdsl.model import Model
from netdsl.source import Source
from netdsl.tensor import Derived, Weight
from netdsl.weights.convert import held, read, to_ours, to_state_dict, to_theirs
from netdsl.weights.open import open_weights
from netdsl.weights.safetensors_file import write_safetensors
from netdsl.weights.tensors import WeightsError

jax.config.update("jax_platforms", "cpu")

TEXT = """
network net(classes = 3) {
  input image[8, 8, 2]
  features: {
    0: conv(4, 3x3, bias = false)
    1: bn -> relu
    2: conv_transpose(3, 2x3, stride = 2)
  }
  layer_scale: scale
  flatten(order = channels_first)
  fc: dense(classes)
  aux(weight = 0.3) { side: dense(classes) }
}
"""


@pytest.fixture
def model() -> Model:
    return load(Source("net.net", TEXT))


def state_dict(model: Model) -> dict[str, np.ndarray]:
    """What a PyTorch network of that form would hold: no two values alike."""
    arrays, first = {}, 1
    for each in held(model.graph):
        count = int(np.prod(each.their_shape, dtype=int))
        values = np.arange(first, first + count).reshape(each.their_shape)
        kind = np.int64 if isinstance(each.weight, Derived) else np.float32
        arrays[each.theirs] = values.astype(kind)
        first += count
    return arrays


@pytest.fixture
def file(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "state_dict.safetensors"
    write_safetensors(path, state_dict(model), {})
    return path


def test_keys_are_paths(model: Model) -> None:
    assert {each.theirs: each.their_shape for each in held(model.graph)} == {
        "features.0.weight": (4, 2, 3, 3),
        "features.1.weight": (4,),
        "features.1.bias": (4,),
        "features.1.running_mean": (4,),
        "features.1.running_var": (4,),
        "features.1.num_batches_tracked": (),
        "features.2.weight": (4, 3, 2, 3),
        "features.2.bias": (3,),
        "layer_scale": (3, 1, 1),
        "fc.weight": (3, 3 * 12 * 13),
        "fc.bias": (3,),
        "aux.side.weight": (3, 3),
        "aux.side.bias": (3,),
    }


def test_layouts() -> None:
    theirs = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    kernel = Weight("kernel", (4, 5, 3, 2), "weight", (3, 2, 0, 1))
    ours = to_ours(kernel, theirs)
    assert ours.shape == (4, 5, 3, 2)
    for (o, i, h, w), value in np.ndenumerate(theirs):
        assert ours[h, w, i, o] == value
    mirrored = to_ours(kernel._replace(mirrored=True), theirs)
    for (o, i, h, w), value in np.ndenumerate(theirs):
        assert mirrored[3 - h, 4 - w, i, o] == value
    loose = Weight("scale", (6,), "", (0, -1, -1))
    assert to_ours(loose, np.arange(6).reshape(6, 1, 1)).tolist() == [0, 1, 2, 3, 4, 5]
    for weight, value in ((kernel, theirs), (loose, np.arange(6).reshape(6, 1, 1))):
        for each in (weight, weight._replace(mirrored=weight is kernel)):
            assert (to_theirs(each, to_ours(each, value)) == value).all()


def test_there_and_back(model: Model, file: Path, tmp_path: Path) -> None:
    inside, back = tmp_path / "inside.safetensors", tmp_path / "back.safetensors"
    program = tmp_path / "net.net"
    program.write_text(TEXT, "utf-8")
    assert run(["weights", "import", str(program), str(file), "-o", str(inside)]) == 0
    assert run(["weights", "export", str(program), str(inside), "-o", str(back)]) == 0
    with open_weights(file) as before, open_weights(back) as after:
        assert set(before) == set(after)
        for name in before:
            assert before.entry(name) == after.entry(name)
            assert before.read(name).tobytes() == after.read(name).tobytes()
    # Its own file is laid out as the module, and can be imported and loaded itself.
    with open_weights(inside) as own:
        assert own.metadata["format"] == "netdsl"
        assert own.entry("features.0.kernel").shape == (3, 3, 2, 4)
        assert to_state_dict(model.graph, read(model.graph, own)).keys() == set(own_names(model))


def own_names(model: Model) -> list[str]:
    return [each.theirs for each in held(model.graph)]


def test_a_module_computes_with_them(model: Model, file: Path) -> None:
    """A dense layer behind an image, weighed the slow way in PyTorch's order."""
    module = model.load_weights(file)
    arrays = state_dict(model)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 3, 12, 13)), jnp.float32)
    flat = np.asarray(x).reshape(1, -1)
    expected = flat @ arrays["fc.weight"].T + arrays["fc.bias"]
    ours = jnp.moveaxis(x, 1, -1)
    got = module.fc(jnp.moveaxis(ours, -1, 1).reshape(1, -1))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    state = dict(nnx.to_flat_state(nnx.state(module)))
    kernel = state["features", 0, "kernel"].get_value()
    assert (kernel == arrays["features.0.weight"].transpose(2, 3, 1, 0)).all()


def test_a_module_gives_its_weights(model: Model, file: Path, tmp_path: Path) -> None:
    model.save_weights(model.load_weights(file), tmp_path / "saved.safetensors")
    with open_weights(file) as before, open_weights(tmp_path / "saved.safetensors") as after:
        # Batches are counted by PyTorch alone.
        assert set(before) - set(after) == {"features.1.num_batches_tracked"}
        assert all((before.read(name) == after.read(name)).all() for name in after)


HALF = {"fc.bias": "F16", "features.1.bias": "BF16"}


def test_narrow_types_are_kept_and_widened(model: Model, tmp_path: Path) -> None:
    arrays = state_dict(model)
    arrays["fc.bias"] = np.array([0.5, -2, 1024], np.float16)
    arrays["features.1.bias"] = np.array([0.5, -2, 3, 256], np.float32)
    path = tmp_path / "half.safetensors"
    write_safetensors(path, arrays, {}, HALF)
    with open_weights(path) as tensors:
        back = to_state_dict(model.graph, read(model.graph, tensors))
    assert (back["fc.bias"].dtype, back["features.1.bias"].dtype) == ("F16", "BF16")
    assert back["fc.bias"].value.dtype == np.float16
    bias = model.load_weights(path).fc.bias[...]
    assert bias.dtype == jnp.float32 and bias.tolist() == [0.5, -2, 1024]


def test_names_of_an_early_pytorch(model: Model, tmp_path: Path) -> None:
    arrays = state_dict(model)
    arrays["f.eatures.0.weight"] = arrays.pop("features.0.weight")
    path = tmp_path / "older.safetensors"
    write_safetensors(path, arrays, {})
    with open_weights(path) as tensors:
        assert "features.0.kernel" in read(model.graph, tensors)


def without(key):
    return lambda arrays: arrays.pop(key)


def put(key, value):
    return lambda arrays: arrays.update({key: value})


def test_a_file_without_side_branches(tmp_path: Path) -> None:
    with_sides = load("torchvision/googlenet", H=64, W=64)
    arrays = state_dict(with_sides)
    path = tmp_path / "googlenet.safetensors"
    write_safetensors(
        path, {key: value for key, value in arrays.items() if not key.startswith("aux")}, {}
    )
    with pytest.raises(WeightsError, match=r"no side branches.*--set aux_logits=false"):
        with_sides.load_weights(path)
    with open_weights(path) as tensors:
        read(load("torchvision/googlenet", H=64, W=64, aux_logits=False).graph, tensors)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("fc.bias"), ["not in the file: 1\n    fc.bias [3]", "nothing was loaded"]),
        (put("more", np.zeros(2, np.float32)), ["not in the network: 1\n    more [2]"]),
        (
            put("features.1.bias", np.zeros(5, np.float32)),
            ["of another shape: 1\n    features.1.bias [5], in the network [4]"],
        ),
        (
            put("features.1.bias", np.zeros(4, np.float64)),
            ["of another type: 1\n    features.1.bias F64, in the network F32"],
        ),
        (
            put("features.1.bias", np.array([0, 0, np.inf, 0], np.float32)),
            ["features.1.bias[2] is inf"],
        ),
    ],
)
def test_what_does_not_fit_is_listed(model: Model, tmp_path: Path, change, said) -> None:
    arrays = state_dict(model)
    change(arrays)
    path = tmp_path / "wrong.safetensors"
    write_safetensors(path, arrays, {})
    with pytest.raises(WeightsError) as caught:
        model.load_weights(path)
    for each in said:
        assert each in str(caught.value)
    assert "wrong.safetensors" in str(caught.value)


def test_everything_that_does_not_fit_is_in_one_error(model: Model, tmp_path: Path) -> None:
    arrays = state_dict(model)
    del arrays["fc.bias"]
    arrays |= {f"more.{number}": np.zeros(1, np.float32) for number in range(20)}
    arrays["fc.weight"] = arrays["fc.weight"].T.copy()
    path = tmp_path / "wrong.safetensors"
    write_safetensors(path, arrays, {})
    with pytest.raises(WeightsError) as caught:
        model.load_weights(path)
    message = str(caught.value)
    assert "not in the file: 1" in message and "of another shape: 1" in message
    assert "not in the network: 20" in message and "… and 12 more" in message


# ---------------------------------------------------------------- the command


def failing(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert run(["weights", *map(str, arguments)]) not in (0, 70)
    return capsys.readouterr().err


def test_another_number_of_classes(capsys, tmp_path: Path) -> None:
    program = tmp_path / "net.net"
    program.write_text(TEXT, "utf-8")
    path = tmp_path / "five.safetensors"
    five = load(Source("net.net", TEXT), classes=5)
    write_safetensors(path, state_dict(five), {})
    out = tmp_path / "out.safetensors"
    message = failing(capsys, "import", program, path, "-o", out)
    assert "--set classes=5" in message and not out.exists()
    assert (
        run(["weights", "import", str(program), str(path), "-o", str(out), "--set", "classes=5"])
        == 0
    )


def test_the_same_name_in_a_folder_is_pointed_at(capsys, tmp_path: Path) -> None:
    """A file of torchvision's weights does not fit the network that only has their name."""
    path = tmp_path / "vgg.safetensors"
    theirs = load("torchvision/squeezenet1_1")
    write_safetensors(path, state_dict(theirs), {})
    program = tmp_path / "squeezenet1_1.net"
    program.write_text(TEXT.replace("network net", "network squeezenet1_1"), "utf-8")
    message = failing(capsys, "import", program, path, "-o", tmp_path / "out.safetensors")
    assert "help: its arrays are those of `torchvision/squeezenet1_1`" in message


def test_no_file_is_replaced_unasked(capsys, file: Path, tmp_path: Path) -> None:
    program, out = tmp_path / "net.net", tmp_path / "out.safetensors"
    program.write_text(TEXT, "utf-8")
    out.write_text("precious")
    assert "--force" in failing(capsys, "import", program, file, "-o", out)
    assert out.read_text() == "precious"
    assert run(["weights", "import", str(program), str(file), "-o", str(out), "--force"]) == 0
    assert "no folder" in failing(capsys, "import", program, file, "-o", tmp_path / "no" / "x")


def test_show(capsys, file: Path) -> None:
    assert run(["weights", "show", str(file)]) == 0
    assert "features.0.weight  " in capsys.readouterr().out
    assert run(["weights", "show", str(file), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"key": "fc.bias", "dtype": "F32", "shape": [3]} in shown["arrays"]
