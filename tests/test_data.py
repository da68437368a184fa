"""Reading, splitting, changing and batching images."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from netdsl.data import dataset as dataset_module
from netdsl.data import images as images_module
from netdsl.data import read as read_module
from netdsl.data.augment import (
    change_of,
    color_jitter,
    mirror,
    pca_color,
    principal_colors,
    random_crop,
    random_shift,
)
from netdsl.data.batches import Batches
from netdsl.data.dataset import (
    FileImages,
    Part,
    Prepared,
    Statistics,
    prepared,
    split,
    statistics,
)
from netdsl.data.images import DataError, fit, read_image, resample, with_channels
from netdsl.data.prepare import center_crop, preparation, resize
from netdsl.data.read import read_data
from netdsl.preprocess import CenterCrop, Fit, Normalize, Resize
from netdsl.settings import (
    AUGMENTATIONS,
    ColorJitter,
    Mirror,
    PcaColor,
    RandomCrop,
    RandomShift,
)
from netdsl.tensor import Window


def random_image(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(path: Path, image: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    squeezed = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(squeezed).save(path, **options)
    return path


def part_of(count: int, size: int = 4, channels: int = 1, classes: int = 2) -> Part:
    """Images that differ in every pixel, with labels in turn."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, size, size, channels), np.uint8)
    return Part(pixels, (np.arange(count) % classes).astype(np.int32))


# ---------------------------------------------------------------- decoding


def test_grey_and_rgb(tmp_path: Path) -> None:
    image = random_image(5, 7, 3)
    path = save(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_image(path, 3), image)
    grey = read_image(path, 1)
    assert grey.shape == (5, 7, 1)
    # Pillow's own arithmetic is in integers: it may be off by one from the weights.
    expected = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - expected).max() <= 1
    single = save(tmp_path / "b.png", image[..., :1])
    np.testing.assert_array_equal(read_image(single, 3), np.repeat(image[..., :1], 3, axis=-1))


def test_orientation_of_photographs(tmp_path: Path) -> None:
    image = random_image(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was held upright: turn by 90 degrees clockwise to see it so.
    path = save(tmp_path / "a.png", image, exif=exif)
    np.testing.assert_array_equal(read_image(path, 3), np.rot90(image, -1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not an image", "is not an image that can be decoded"),
        (b"", "is not an image that can be decoded"),
    ],
)
def test_undecodable(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"broken\.png` {message}"):
        read_image(path, 3)


def test_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "cut.png", random_image(64, 64, 3))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"cut\.png` can't be decoded"):
        read_image(path, 3)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file `.*none\.png`"):
        read_image(tmp_path / "none.png", 3)


def test_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4) * 4000).save(path)
    with pytest.raises(DataError, match="more than 8 bits"):
        read_image(path, 1)


def test_pixel_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", random_image(5, 7, 3))
    monkeypatch.setattr(images_module, "MAXIMUM_PIXELS", 34)
    with pytest.raises(DataError, match=r"7 × 5 pixels, over the limit of 34"):
        read_image(path, 3)


# ---------------------------------------------------------------- sizes and channels


def test_fit_takes_the_centre() -> None:
    image = random_image(4, 8, 3)
    np.testing.assert_array_equal(fit(image, 4, 4), image[:, 2:6])
    np.testing.assert_array_equal(
        fit(image.transpose(1, 0, 2), 4, 4), image.transpose(1, 0, 2)[2:6]
    )


def test_fit_leaves_the_right_size_alone() -> None:
    image = random_image(6, 5, 2)
    assert np.shares_memory(fit(image, 6, 5), image)


@given(*[st.integers(1, 60)] * 4)
def test_fit_takes_any_size(h: int, w: int, height: int, width: int) -> None:
    ones = np.ones((h, w, 1), np.float32)
    np.testing.assert_allclose(fit(ones, height, width), np.ones((height, width, 1)), rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resample_of_a_constant_is_constant(channels: int, dtype: type) -> None:
    value = 77 if dtype == np.uint8 else 0.3
    image = np.full((5, 9, channels), value, dtype)
    result = resample(image, (1, 0, 7, 5), (8, 3))
    assert result.shape == (8, 3, channels)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, value, rtol=1e-6)


def test_resample_doubles_a_ramp() -> None:
    """Bilinear with pixel centres at halves: a ramp stays one, away from the ends."""
    ramp = np.tile(np.arange(8, dtype=np.float32), (8, 1))[..., None] / 8
    doubled = resample(ramp, (0, 0, 8, 8), (16, 16))
    expected = ((np.arange(16) + 0.5) / 2 - 0.5) / 8
    np.testing.assert_allclose(doubled[5, 1:-1, 0], expected[1:-1], atol=1e-6)


def test_resample_halves_by_the_triangle() -> None:
    """Each output pixel weighs four inputs 1, 3, 3, 1."""
    row = np.random.default_rng(0).random(12, np.float32)
    image = np.tile(row, (12, 1))[..., None]
    halved = resample(image, (0, 0, 12, 12), (6, 6))
    expected = [(row[i - 1 : i + 3] * [1, 3, 3, 1]).sum() / 8 for i in range(2, 10, 2)]
    np.testing.assert_allclose(halved[3, 1:5, 0], expected, atol=1e-6)


def test_channels_of_arrays() -> None:
    image = random_image(3, 3, 3)
    assert with_channels(image, 3, "`x`") is image
    assert with_channels(image[..., :1], 3, "`x`").shape == (3, 3, 3)
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(with_channels(pixels, 1, "`x`")[0, :, 0], [76, 150, 29])
    with pytest.raises(DataError, match="`x` has images of 2 channels; the network takes 3"):
        with_channels(image[..., :2], 3, "`x`")


# ---------------------------------------------------------------- folders


def class_folders(root: Path, **counts: int) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for index in range(count):
            save(root / name / f"{index}.png", random_image(6, 6, 3, seed=100 * number + index))
    return root


def test_folder(tmp_path: Path) -> None:
    class_folders(tmp_path, dog=2, ant=1, cat=3)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "dog" / ".hidden").write_text("")
    data = read_data(str(tmp_path), 3)
    assert data.classes == ("ant", "cat", "dog")
    assert data.validation is None
    np.testing.assert_array_equal(data.train.labels, [0, 1, 1, 1, 2, 2])
    assert len(data.train.images) == 6
    np.testing.assert_array_equal(data.train.images[5], random_image(6, 6, 3, seed=1))


def test_fingerprint_of_a_folder(tmp_path: Path) -> None:
    first = read_data(str(class_folders(tmp_path / "a", x=2, y=2)), 3)
    again = read_data(str(class_folders(tmp_path / "b", x=2, y=2)), 3)
    other = read_data(str(class_folders(tmp_path / "c", x=2, y=3)), 3)
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("held_out", ["val", "validation", "test"])
def test_folder_with_parts(tmp_path: Path, held_out: str) -> None:
    class_folders(tmp_path / "train", a=2, b=3)
    class_folders(tmp_path / held_out, a=1, b=1)
    data = read_data(str(tmp_path), 1)
    assert len(data.train.labels) == 5
    assert data.validation is not None
    np.testing.assert_array_equal(data.validation.labels, [0, 1])
    assert data.validation.images[0].shape == (6, 6, 1)


def add_file(root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("text")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: add_file(root, "notes.txt"), r"notes\.txt` is not in a class"),
        (lambda root: add_file(root, "a/notes.txt"), r"notes\.txt` is not an image: its name"),
        (lambda root: add_file(root, "a/bad.png"), r"bad\.png` is not an image that can be"),
        (lambda root: (root / "empty").mkdir(), r"empty` has no images"),
        (lambda root: (root / "a/deep").mkdir(), r"deep` is a folder in a class"),
        (lambda root: class_folders(root / "train", a=1, b=1), "has train/ and beside it `a`"),
    ],
)
def test_spoilt_folder(tmp_path: Path, spoil: object, message: str) -> None:
    class_folders(tmp_path, a=1, b=1)
    assert callable(spoil)
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        read_data(str(tmp_path), 3)


def test_folder_of_one_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 1 class folders; at least two"):
        read_data(str(class_folders(tmp_path, a=2)), 3)


def test_parts_of_other_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", a=1, b=1)
    class_folders(tmp_path / "val", a=1, c=1)
    with pytest.raises(DataError, match="the class `b` is not in both train/ and val/"):
        read_data(str(tmp_path), 3)


def test_two_validation_parts(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        class_folders(tmp_path / name, a=1, b=1)
    with pytest.raises(DataError, match="has val/ and test/: keep the one"):
        read_data(str(tmp_path), 3)


def test_files_for_odd_channels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="takes 4 channels"):
        read_data(str(class_folders(tmp_path, a=1, b=1)), 4)


def test_no_such_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no `\\x1b`; data is a folder"):
        read_data("\x1b", 3)
    path = tmp_path / "data.csv"
    path.write_text("")
    with pytest.raises(DataError, match=r"neither a folder nor an \.npz file"):
        read_data(str(path), 3)


# ---------------------------------------------------------------- arrays


def archive(path: Path, **arrays: object) -> str:
    np.savez(path / "data.npz", **{name: np.asarray(each) for name, each in arrays.items()})
    return str(path / "data.npz")


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train")])
def test_arrays(tmp_path: Path, names: tuple[str, str]) -> None:
    images = random_image(4, 25, 1)[..., 0].reshape(4, 5, 5)
    data = read_data(archive(tmp_path, **{names[0]: images, names[1]: [0, 1, 2, 1]}), 1)
    assert data.classes == ("0", "1", "2")
    np.testing.assert_array_equal(data.train.images[2][..., 0], images[2])
    np.testing.assert_array_equal(data.train.labels, [0, 1, 2, 1])
    assert data.train.labels.dtype == np.int32


def test_arrays_with_parts_and_names(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((3, 4, 4, 3))
    path = archive(
        tmp_path, x_train=images, y_train=["b", "a", "b"], x_test=images[:1], y_test=["c"]
    )
    data = read_data(path, 3)
    assert data.classes == ("a", "b", "c")
    np.testing.assert_array_equal(data.train.labels, [1, 0, 1])
    assert data.validation is not None
    np.testing.assert_array_equal(data.validation.labels, [2])
    assert data.train.images[0].dtype == np.float32


def test_named_numbers(tmp_path: Path) -> None:
    images = np.zeros((2, 4, 4), np.int64)
    path = archive(tmp_path, images=images, labels=[[0], [2]], classes=["cat", "dog", "emu"])
    data = read_data(path, 1)
    assert data.classes == ("cat", "dog", "emu")
    np.testing.assert_array_equal(data.train.labels, [0, 2])


GOOD = np.zeros((3, 4, 4), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": GOOD}, "has the arrays a; it needs images and labels"),
        ({"images": GOOD}, "has images without its other half"),
        ({"images": GOOD, "x": GOOD, "labels": [0, 1, 0]}, "has both images and x"),
        ({"images": GOOD, "labels": [0, 1]}, "3 images have labels of 2"),
        ({"images": GOOD, "labels": [0, 1, -1]}, "the label -1 is below 0"),
        ({"images": GOOD, "labels": [0, 2, 0]}, "labels go up to 2, but none is 1"),
        ({"images": GOOD, "labels": [0, 10**12, 0]}, "but none is 1"),
        ({"images": GOOD, "labels": np.eye(3)}, "not one-hot rows"),
        ({"images": GOOD, "labels": [0.0, 1.0, 0.0]}, "not float64"),
        ({"images": GOOD, "labels": [0, 1, 2], "classes": ["a", "b"]}, "2 different names for 3"),
        ({"images": GOOD, "labels": [0, 1, 0], "classes": ["a", "a"]}, "1 different names for 2"),
        ({"images": GOOD[0], "labels": [0, 1, 0]}, r"not 4×4"),
        ({"images": GOOD[:0], "labels": np.zeros(0, int)}, "has no labels"),
        ({"images": GOOD + 0.0 + 2, "labels": [0, 1, 0]}, "go from 0 to 1, not 2 to 2"),
        ({"images": GOOD + np.nan, "labels": [0, 1, 0]}, "go from 0 to 1, not nan"),
        ({"images": GOOD + np.int64(300), "labels": [0, 1, 0]}, "not 300 to 300"),
        ({"images": GOOD > 0, "labels": [0, 1, 0]}, "not bool"),
        ({"images": np.zeros((3, 3, 8, 8)), "labels": [0, 1, 0]}, "have their channels first"),
    ],
)
def test_spoilt_arrays(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_data(archive(tmp_path, **arrays), 1)


def test_no_pickles(tmp_path: Path) -> None:
    class Boom:
        def __reduce__(self) -> object:
            return (sys.exit, (99,))

    objects = np.array([Boom(), Boom(), Boom()], dtype=object)
    with pytest.raises(DataError, match="can't be read"):
        read_data(archive(tmp_path, images=GOOD, labels=objects), 1)


def test_damaged_archive(tmp_path: Path) -> None:
    path = Path(archive(tmp_path, images=GOOD, labels=[0, 1, 0]))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"is not an \.npz file, or it is damaged"):
        read_data(str(path), 1)


def test_archive_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_module, "ARCHIVE_BYTES", 10)
    with pytest.raises(DataError, match="over the limit of 10"):
        read_data(archive(tmp_path, images=GOOD, labels=[0, 1, 0]), 1)


# ---------------------------------------------------------------- digits


def test_digits() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    data = read_data("digits", 1)
    assert data.classes == tuple("0123456789")
    assert len(data.train.labels) == 1797
    image = datasets.load_digits().images[7]
    np.testing.assert_allclose(data.train.images[7][..., 0] / 255, image / 16, atol=0.5 / 255)
    assert read_data("digits", 3).train.images[0].shape == (8, 8, 3)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        read_data("digits", 1)


def test_digits_beside_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "digits", a=1, b=1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"write \./digits"):
        read_data("digits", 1)
    assert read_data("./digits", 1).classes == ("a", "b")


# ---------------------------------------------------------------- split and statistics


def test_split_keeps_shares() -> None:
    labels = np.array([0] * 50 + [1] * 20 + [2] * 3 + [3], np.int32)
    part = Part(np.arange(74), labels)
    training, validation = split(part, 0.2, 4)
    assert np.bincount(validation.labels, minlength=4).tolist() == [10, 4, 1, 0]
    held_out = {int(validation.images[i]) for i in range(len(validation.labels))}
    kept = {int(training.images[i]) for i in range(len(training.labels))}
    assert held_out | kept == set(range(74)) and not held_out & kept
    again = split(part, 0.2, 4)[1]
    assert [again.images[i] for i in range(15)] == [validation.images[i] for i in range(15)]


def test_split_bounds() -> None:
    part = part_of(10)
    assert len(split(part, 0.0, 2)[1].labels) == 0
    assert np.bincount(split(part, 0.99, 2)[0].labels).tolist() == [1, 1]
    assert np.bincount(split(part, 0.01, 2)[1].labels).tolist() == [1, 1]


def test_statistics_against_numpy() -> None:
    part = part_of(9, channels=3)
    found = statistics(part.images, workers=2)
    rows = part.images[:].reshape(-1, 3) / 255
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.deviation, rows.std(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(rows.T, bias=True), rtol=1e-5, atol=1e-8)
    assert found.images == 9


def test_statistics_of_a_blank_channel() -> None:
    blank = Part(np.full((4, 3, 3, 1), 51, np.uint8), np.zeros(4, np.int32))
    found = statistics(blank.images, workers=1)
    assert found.mean == pytest.approx([0.2])
    assert found.deviation == (1.0,)


def test_statistics_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "STATISTICS_IMAGES", 3)
    assert statistics(part_of(9).images, workers=1).images == 3


def test_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where memory allows, else one by one: the same images, each prepared once."""
    paths = [save(tmp_path / f"{i}.png", random_image(6, 9, 3, seed=i)) for i in range(3)]
    files = Part(FileImages(paths, 3), np.zeros(3, np.int32))
    prepare = preparation((Resize(8), CenterCrop(4)), 4, 4)
    kept = prepared(files, prepare, workers=2)
    assert isinstance(kept.images, np.ndarray)
    monkeypatch.setattr(dataset_module, "MEMORY_BYTES", 143)
    on_demand = prepared(files, prepare, workers=2)
    assert isinstance(on_demand.images, Prepared) and len(on_demand.images) == 3
    for index in range(3):
        expected = prepare(files.images[index])
        np.testing.assert_array_equal(kept.images[index], expected)
        np.testing.assert_array_equal(on_demand.images[index], expected)


# ---------------------------------------------------------------- preprocessing


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((300, 451), 256, (256, 384)),
        ((512, 512), 232, (232, 232)),
        ((639, 427), 255, (381, 255)),
        ((51, 40), 64, (81, 64)),
        ((1000, 333), 224, (672, 224)),
        ((7, 300), 16, (16, 685)),
    ],
)
def test_resize_of_the_shorter_side(
    size: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    """The sizes that torchvision 0.29.1's Resize gives."""
    image = np.zeros((*size, 3), np.uint8)
    assert resize(image, side, "bilinear").shape == (*expected, 3)


def test_resize_of_both_sides() -> None:
    assert resize(np.zeros((9, 5, 1), np.float32), Window(4, 7), "bicubic").shape == (4, 7, 1)


def test_resize_refuses_what_would_fill_the_memory() -> None:
    with pytest.raises(DataError, match="60000×1 pixels, resized to 120,000,000×2,000, is over"):
        resize(np.zeros((1, 60_000, 1), np.uint8), 2000, "bilinear")


@pytest.mark.parametrize(
    ("size", "side", "corner"),
    [
        ((9, 12), 4, (2, 4)),
        ((10, 11), 5, (2, 3)),
        ((11, 11), 4, (4, 4)),
        ((5, 7), 2, (2, 2)),
        ((256, 341), 224, (16, 58)),
    ],
)
def test_center_crop(size: tuple[int, int], side: int, corner: tuple[int, int]) -> None:
    """The upper left corners that torchvision 0.29.1's CenterCrop takes."""
    image = np.arange(size[0] * size[1]).reshape(*size, 1)
    cut = center_crop(image, Window(side, side))
    assert cut.shape == (side, side, 1)
    assert divmod(int(cut[0, 0, 0]), size[1]) == corner


def test_center_crop_of_too_little() -> None:
    with pytest.raises(DataError, match="an image of 5×9 pixels is too small to cut 6×8 out of"):
        center_crop(np.zeros((9, 5, 3), np.uint8), Window(8, 6))


def test_fit_takes_a_share_of_the_middle() -> None:
    """As TensorFlow's EfficientNets are evaluated: cut, rounded down, then resize."""
    image = random_image(40, 61, 3)
    side = int(7 / 8 * 40)
    top, left = (40 - side) // 2, (61 - side) // 2
    cut = Image.fromarray(image[top : top + side, left : left + side])
    expected = np.asarray(cut.resize((16, 16), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(fit(image, 16, 16, 7 / 8, "bicubic"), expected)


def test_preparation_applies_its_steps_in_order() -> None:
    image = random_image(30, 45, 3)
    prepare = preparation((Resize(12, "bicubic"), CenterCrop(8), Normalize(0.5, 0.5)), 8, 8)
    expected = np.asarray(Image.fromarray(image).resize((18, 12), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(prepare(image), expected[2:10, 5:13])


def test_preparation_fits_to_the_network() -> None:
    image = random_image(9, 5, 1)
    np.testing.assert_array_equal(preparation((Fit(),), 3, 4)(image), fit(image, 3, 4))


# ---------------------------------------------------------------- augmentation

PLAIN = Statistics((0.5,) * 3, (0.2,) * 3, ((0.04, 0.01, 0), (0.01, 0.05, 0), (0, 0, 0.03)), 1)


def test_mirror() -> None:
    image = random_image(3, 5, 3)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(mirror(image, rng, 1.0), image[:, ::-1])
    assert mirror(image, rng, 0.0) is image
    swapped = sum(mirror(image, rng, 0.3) is not image for _ in range(2000))
    assert 500 < swapped < 700


def test_shift_moves_within_bounds() -> None:
    image = random_image(6, 7, 2) | 1  # No black pixel, so that what came in can be told.
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        moved = random_shift(image, rng, 2)
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if np.array_equal(moved, padded[top : top + 6, left : left + 7])
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) == 25


def test_shift_by_more_than_the_image() -> None:
    image = random_image(2, 2, 1) | 1
    for seed in range(30):
        assert random_shift(image, np.random.default_rng(seed), 5).shape == (2, 2, 1)


def test_crop_shares() -> None:
    """A crop of an image whose pixels hold their place shows what part it is of."""
    height, width = 40, 60
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    image = np.stack([down / height, right / width], axis=-1)
    rng = np.random.default_rng(0)
    for _ in range(100):
        crop = random_crop(image, rng, (20, 20), (0.2, 0.5), (0.5, 2.0))
        assert crop.shape == (20, 20, 2)
        h = float(crop[..., 0].max() - crop[..., 0].min()) * height
        w = float(crop[..., 1].max() - crop[..., 1].min()) * width
        # The ends of a resized ramp are up to a pixel of the result off.
        assert 0.2 * 0.8 < (h * 1.05) * (w * 1.05) / (height * width) < 0.5 * 1.2
        assert 0.5 * 0.85 < w / h < 2.0 * 1.15


def test_crop_of_a_thin_image() -> None:
    crop = random_crop(
        random_image(4, 200, 3), np.random.default_rng(0), (8, 8), (0.9, 1.0), (0.75, 1.33)
    )
    assert crop.shape == (8, 8, 3)


def test_jitter() -> None:
    image = random_image(4, 4, 3)
    np.testing.assert_array_equal(color_jitter(image, np.random.default_rng(0), 0.0), image)
    grey = np.full((4, 4, 3), 100, np.uint8)  # Neither contrast nor saturation changes it.
    levels = [int(color_jitter(grey, np.random.default_rng(s), 0.4)[0, 0, 0]) for s in range(300)]
    assert min(levels) >= 60 and max(levels) <= 140
    assert min(levels) < 66 and max(levels) > 134


def test_principal_colors_against_their_definition() -> None:
    values, vectors = principal_colors(PLAIN)
    np.testing.assert_allclose(np.array(PLAIN.covariance) @ vectors, vectors * values, atol=1e-12)
    assert (vectors[np.abs(vectors).argmax(axis=0), range(3)] > 0).all()


def test_pca_color_spread() -> None:
    """The colours added have the covariance P diag((0.1 l)²) P'."""
    values, vectors = principal_colors(PLAIN)
    grey = np.full((1, 1, 3), 0.5, np.float32)
    rng = np.random.default_rng(0)
    added = np.array([pca_color(grey, rng, 0.1, values, vectors)[0, 0] - 0.5 for _ in range(4000)])
    expected = vectors @ np.diag((0.1 * values) ** 2) @ vectors.T
    np.testing.assert_allclose(np.cov(added.T, bias=True), expected, atol=0.15 * expected.max())


@pytest.mark.parametrize(
    "option",
    [
        Mirror(),
        RandomShift(2),
        RandomCrop(Window(5, 6)),
        ColorJitter(0.4),
        PcaColor(),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_changes_are_functions_of_the_generator(option: object, dtype: type) -> None:
    assert type(option) in AUGMENTATIONS
    image = random_image(8, 9, 3)
    if dtype == np.float32:
        image = image.astype(np.float32) / 255
    before = image.copy()
    change = change_of(option, PLAIN)  # type: ignore[arg-type]  # parametrised as objects
    first = change(image, np.random.default_rng(5))
    np.testing.assert_array_equal(first, change(image, np.random.default_rng(5)))
    np.testing.assert_array_equal(image, before)
    assert first.dtype == dtype
    others = [change(image, np.random.default_rng(seed)) for seed in range(20)]
    assert any(not np.array_equal(first, other) for other in others)


# ---------------------------------------------------------------- batches


def batches_of(part: Part, batch: int = 4, seed: int = 3) -> Batches:
    changes = (change_of(RandomShift(1), PLAIN),)
    return Batches(part, batch, seed, changes)


def test_an_epoch_takes_each_image_once() -> None:
    part = Part(part_of(10).images, np.arange(10, dtype=np.int32))
    batches = batches_of(part)
    assert batches.steps_per_epoch == 2
    first, second = (
        [int(x) for s in steps for x in batches.at(s).labels] for steps in ((0, 1), (2, 3))
    )
    assert len(set(first)) == len(set(second)) == 8
    assert first != second


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_functions_of_the_step(workers: int) -> None:
    straight = dict(batches_of(part_of(10)).run(0, 9, 2))
    resumed = dict(batches_of(part_of(10)).run(5, 9, workers))
    assert list(resumed) == [5, 6, 7, 8]
    for step, batch in resumed.items():
        np.testing.assert_array_equal(batch.images, straight[step].images)
        np.testing.assert_array_equal(batch.labels, straight[step].labels)


def test_seeds_differ() -> None:
    one, other = batches_of(part_of(40), seed=0).at(0), batches_of(part_of(40), seed=1).at(0)
    assert not np.array_equal(one.images, other.images)


def test_epochs_change_images_anew() -> None:
    part = Part(part_of(1).images, np.zeros(1, np.int32))
    batches = batches_of(part, batch=1)
    images = {batches.at(step).images.tobytes() for step in range(20)}
    assert len(images) > 3


def test_too_few_images() -> None:
    with pytest.raises(DataError, match=r"a batch of 16 .* 10 training images.*--batch 1"):
        batches_of(part_of(10), batch=16)


def test_a_broken_image_ends_the_run(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", random_image(40, 40, 3, seed=i)) for i in range(4)]
    paths[2].write_bytes(paths[2].read_bytes()[:900])
    part = Part(FileImages(paths, 3), np.zeros(4, np.int32))
    with pytest.raises(DataError, match=r"2\.png` can't be decoded"):
        list(Batches(part, 4, 0).run(0, 3, 2))
