"""The PyTorch module that `MODULE:FUNCTION` or `FILE.py:FUNCTION` builds."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from netdsl.diagnostics import did_you_mean
from netdsl.exits import WRONG_USAGE, Failure


class NoBuilder(Failure):
    """There is nothing that builds a module where one was looked for; the message says why."""

    exit_code = WRONG_USAGE


def built(target: str) -> object:
    """What a function of no arguments returns, or a module that is kept under the name itself.

    The code that the target names is run, with all that it imports. Raises NoBuilder.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise NoBuilder(
            f"`{target}` is not like `torchvision.models:resnet50`, `file.py:build` or `file.onnx`"
        )
    module = _file(Path(place)) if place.endswith(".py") else _module(place)
    found = getattr(module, name, None)
    if found is None:
        help = did_you_mean(name, [each for each in vars(module) if not each.startswith("_")])
        raise NoBuilder(f"`{place}` has no `{name}`" + (f"; {help}" if help else ""))
    if not hasattr(found, "named_modules") or isinstance(found, type):
        if not callable(found):
            raise NoBuilder(f"`{target}` is a {type(found).__name__}, which builds no module")
        try:
            found = found()
        except Exception as error:  # Whatever the builder's own code raises.
            raise NoBuilder(f"`{target}()` failed with {type(error).__name__}: {error}") from None
    if not hasattr(found, "named_modules"):
        raise NoBuilder(f"`{target}()` returned a {type(found).__name__}, not a torch.nn.Module")
    return found


def _module(place: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")  # As `python -m` has it, so that the current folder is found.
    try:
        return importlib.import_module(place)
    except Exception as error:  # Whatever the module's own code raises.
        raise NoBuilder(f"`{place}` can't be imported: {type(error).__name__}: {error}") from None


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise NoBuilder(f"there is no file `{path}`")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # Whatever the file's own code raises.
        raise NoBuilder(f"`{path}` can't be run: {type(error).__name__}: {error}") from None
    return module
