"""Read labelled images: a folder with one folder per class, an `.npz` file, or `digits`."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from netdsl.data.dataset import Dataset, FileImages, Part
from netdsl.data.images import EXTENSIONS, DataError, check_size, with_channels
from netdsl.source import open_regular, printable

ARCHIVE_BYTES = 8 << 30
"""All arrays of one `.npz` file together, before any is read."""

TRAIN_FOLDERS = ("train",)
VALIDATION_FOLDERS = ("val", "validation", "test")


def read_data(text: str, channels: int) -> Dataset:
    """The data that `--data` names, with images of `channels` channels.

    `digits` are the 1,797 scans of handwritten digits that come with scikit-learn; a name that ends
    in `.npz` is a file of arrays; anything else is a folder. Raises DataError.
    """
    if text == "digits":
        if Path(text).exists():
            raise DataError(
                "`digits` is both scikit-learn's data and a file here; write ./digits for the file"
            )
        return read_digits(channels)
    path = Path(text)
    shown = printable(text)
    if not path.exists():
        raise DataError(
            f"there is no `{shown}`; data is a folder with a folder for each class, "
            "an .npz file, or `digits`"
        )
    if path.is_dir():
        return read_folder(path, channels)
    if path.suffix != ".npz":
        raise DataError(f"`{shown}` is neither a folder nor an .npz file")
    return read_arrays(path, channels)


def read_digits(channels: int) -> Dataset:
    """scikit-learn's digits: 1,797 scans of 8×8 pixels in 17 levels of grey.

    Source: Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits" (UCI repository).
    """
    # Imported here because only this data needs scikit-learn, which is optional and slow to load.
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "`digits` come with scikit-learn, which is not installed: pip install scikit-learn"
        ) from None
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int32)
    part = Part(with_channels(images, channels, "`digits`"), labels)
    classes = tuple(str(digit) for digit in digits.target_names)
    return Dataset("digits", classes, part, None, _digest(images, labels))


# ---------------------------------------------------------------- folders


def read_folder(path: Path, channels: int) -> Dataset:
    """A folder with a folder of images for each class, or with `train/` and `val/` of that kind.

    Classes are the folders' names, sorted. Files and folders whose names begin with a dot are
    passed over; anything else that is no image is an error, as is a class without images.
    """
    shown = printable(str(path))
    if channels not in (1, 3):
        raise DataError(
            f"images in files are read as grey or RGB, but the network takes {channels} channels; "
            "put them into an .npz file"
        )
    entries = {entry.name for entry in _visible(path)}
    train = [name for name in TRAIN_FOLDERS if name in entries]
    validation = [name for name in VALIDATION_FOLDERS if name in entries]
    if len(validation) > 1 and train:
        raise DataError(
            f"`{shown}` has {' and '.join(f'{name}/' for name in validation)}: "
            "keep the one that training is validated with"
        )
    digest = hashlib.sha256()
    if not train:
        files, labels, classes = _class_folders(path, digest)
        part = Part(FileImages(files, channels), labels)
        return Dataset(str(path), classes, part, None, digest.hexdigest())
    stray = sorted(entries - {*train, *validation})
    if stray:
        raise DataError(
            f"`{shown}` has train/ and beside it `{printable(stray[0])}`: "
            "only train/ and val/ may stand there"
        )
    files, labels, classes = _class_folders(path / train[0], digest)
    part = Part(FileImages(files, channels), labels)
    held_out = None
    if validation:
        files, labels, others = _class_folders(path / validation[0], digest)
        if others != classes:
            odd = min(set(classes) ^ set(others))
            raise DataError(
                f"`{shown}`: the class `{printable(odd)}` is not in both {train[0]}/ and "
                f"{validation[0]}/"
            )
        held_out = Part(FileImages(files, channels), labels)
    return Dataset(str(path), classes, part, held_out, digest.hexdigest())


def _class_folders(
    path: Path, digest: hashlib._Hash
) -> tuple[list[Path], np.ndarray, tuple[str, ...]]:
    """The files, the class of each, and the names of the classes."""
    shown = printable(str(path))
    folders = _visible(path)
    for entry in folders:
        if not entry.is_dir():
            raise DataError(
                f"`{printable(str(entry))}` is not in a class: "
                f"`{shown}` holds one folder for each class, and nothing else"
            )
    if len(folders) < 2:
        raise DataError(f"`{shown}` has {len(folders)} class folders; at least two are needed")
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        images = _visible(folder)
        if not images:
            raise DataError(f"the class `{printable(str(folder))}` has no images")
        for image in images:
            _check_header(image)
            files.append(image)
            labels.append(label)
            digest.update(f"{folder.name}/{image.name} {image.stat().st_size}\n".encode())
    return files, np.array(labels, np.int32), tuple(folder.name for folder in folders)


def _visible(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"`{printable(str(path))}` can't be read: {error.strerror}") from None


def _check_header(path: Path) -> None:
    """Raise DataError for what is no image, without decoding it."""
    shown = printable(str(path))
    if path.is_dir():
        raise DataError(f"`{shown}` is a folder in a class; a class holds images only")
    if path.suffix.lower() not in EXTENSIONS:
        raise DataError(f"`{shown}` is not an image: its name ends in none of {_listed()}")
    try:
        with open_regular(path) as stream, Image.open(stream) as image:
            check_size(image, shown)
    except UnidentifiedImageError:
        raise DataError(f"`{shown}` is not an image that can be decoded") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"`{shown}` can't be read: {error}") from None


def _listed() -> str:
    return " ".join(EXTENSIONS)


# ---------------------------------------------------------------- arrays

_IMAGES = ("images", "x")
_LABELS = ("labels", "y")
_VALIDATION = ("validation", "val", "test")


def read_arrays(path: Path, channels: int) -> Dataset:
    """An `.npz` file: `images` or `x` of [N, H, W] or [N, H, W, C], and `labels` or `y` of [N].

    Images are whole numbers from 0 to 255, or fractions from 0 to 1. Labels are whole numbers from
    0, or texts, which are sorted. With `_train` at their names there may be others with
    `_validation`, `_val` or `_test`. `classes` may hold the names of numbered classes.
    """
    shown = printable(str(path))
    arrays = _load(path, shown)
    pair = _pair(arrays, ("", "_train"), shown)
    if pair is None:
        raise DataError(
            f"`{shown}` has the arrays {', '.join(sorted(arrays)) or 'none'}; "
            "it needs images and labels, or x_train and y_train"
        )
    held_out = _pair(arrays, tuple(f"_{name}" for name in _VALIDATION), shown)
    names = _class_names(arrays, pair[1], held_out, shown)
    train = _part(*pair, names, channels, shown)
    validation = None if held_out is None else _part(*held_out, names, channels, shown)
    digest = _digest(*(arrays[key] for key in sorted(arrays)))
    return Dataset(str(path), names, train, validation, digest)


def _load(path: Path, shown: str) -> dict[str, np.ndarray]:
    try:
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > ARCHIVE_BYTES:
            raise DataError(f"`{shown}` holds {total:,} bytes, over the limit of {ARCHIVE_BYTES:,}")
        # Without pickles, which could run any code.
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except zipfile.BadZipFile:
        raise DataError(f"`{shown}` is not an .npz file, or it is damaged") from None
    except (OSError, ValueError, EOFError, NotImplementedError, zlib.error) as error:
        raise DataError(f"`{shown}` can't be read: {error}") from None
    except (MemoryError, OverflowError):
        raise DataError(f"`{shown}` has an array of more bytes than there is memory") from None
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DataError(f"`{shown}` has `{printable(key)}`, which is no array")
    return arrays


def _pair(
    arrays: dict[str, np.ndarray], endings: tuple[str, ...], shown: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """The images and labels whose names have one of the endings."""
    images = [name + ending for ending in endings for name in _IMAGES if name + ending in arrays]
    labels = [name + ending for ending in endings for name in _LABELS if name + ending in arrays]
    for found in (images, labels):
        if len(found) > 1:
            raise DataError(f"`{shown}` has both {found[0]} and {found[1]}; keep one of them")
    if not images and not labels:
        return None
    if not images or not labels:
        raise DataError(f"`{shown}` has {(images + labels)[0]} without its other half")
    return arrays[images[0]], arrays[labels[0]]


def _class_names(
    arrays: dict[str, np.ndarray],
    labels: np.ndarray,
    held_out: tuple[np.ndarray, np.ndarray] | None,
    shown: str,
) -> tuple[str, ...]:
    every = labels if held_out is None else np.concatenate([labels.ravel(), held_out[1].ravel()])
    if every.size == 0:
        raise DataError(f"`{shown}` has no labels")
    if every.dtype.kind == "U":
        return tuple(str(name) for name in np.unique(every))
    if every.dtype.kind not in "iu":
        raise DataError(
            f"`{shown}`: labels are whole numbers or texts, not {every.dtype}"
            + ("; give the class of each image, not one-hot rows" if labels.ndim == 2 else "")
        )
    if int(every.min()) < 0:
        raise DataError(f"`{shown}`: the label {int(every.min())} is below 0")
    count = int(every.max()) + 1
    if "classes" in arrays:
        names = tuple(str(name) for name in arrays["classes"].ravel())
        if len(names) < count or len(set(names)) < len(names):
            raise DataError(
                f"`{shown}`: classes has {len(set(names))} different names for {count} classes"
            )
        return names
    missing = np.setdiff1d(np.arange(min(count, every.size + 1)), every)
    if missing.size:
        raise DataError(
            f"`{shown}`: labels go up to {count - 1}, but none is {int(missing[0])}; "
            "number classes from 0, or name them in an array `classes`"
        )
    return tuple(str(label) for label in range(count))


def _part(
    images: np.ndarray, labels: np.ndarray, names: tuple[str, ...], channels: int, shown: str
) -> Part:
    """Checked and converted arrays."""
    shape = "×".join(str(side) for side in images.shape)
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise DataError(f"`{shown}`: images are [N, H, W] or [N, H, W, C], not {shape}")
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[-1] not in (1, 3, channels) and images.shape[1] in (1, 3):
        raise DataError(
            f"`{shown}`: images of {shape} have their channels first; transpose them to the end"
        )
    if labels.shape == (len(images), 1):
        labels = labels[:, 0]
    if labels.shape != (len(images),):
        labels_shape = "×".join(str(side) for side in labels.shape)
        raise DataError(f"`{shown}`: {len(images)} images have labels of {labels_shape}")
    if images.dtype.kind in "iu":
        low, high = images.min(), images.max()
        if low < 0 or high > 255:
            raise DataError(f"`{shown}`: whole-number images go from 0 to 255, not {low} to {high}")
        images = images.astype(np.uint8)
    elif images.dtype.kind == "f":
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= 1):
            raise DataError(
                f"`{shown}`: images of {images.dtype} go from 0 to 1, not {low:g} to {high:g}; "
                "store them as uint8, or scale them"
            )
        images = images.astype(np.float32)
    else:
        raise DataError(f"`{shown}`: images are whole numbers or fractions, not {images.dtype}")
    if labels.dtype.kind == "U":
        labels = np.searchsorted(np.array(names), labels)
    return Part(with_channels(images, channels, f"`{shown}`"), labels.astype(np.int32))


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype}\n".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
