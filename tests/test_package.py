"""The packaging lists what is there, and the locked requirements pin what it needs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("python*.txt"))


def test_each_folder_of_the_package_is_listed() -> None:
    folders = {"netdsl", "netdsl.architectures", "netdsl.grammar"}
    for path in (ROOT / "netdsl").rglob("*.py"):
        folders.add(".".join(path.parent.relative_to(ROOT).parts))
    assert PROJECT["tool"]["setuptools"]["packages"] == sorted(folders)
    for name in folders:
        folder = ROOT / PROJECT["tool"]["setuptools"]["package-dir"].get(
            name, name.replace(".", "/")
        )
        assert (folder / "__init__.py").exists(), f"{folder} has no __init__.py"


def test_each_data_file_is_shipped() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    for folder, package in (("netdsl", "netdsl"), ("grammar", "netdsl.grammar")):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in ("", ".py", ".pyc") or not path.is_file():
                continue
            if path.name == "ruff.toml" or "/." in path.as_posix():
                continue
            known = [*patterns["*"], *patterns.get(package, [])]
            assert any(path.match(pattern) for pattern in known), f"{path} is not in a wheel"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_locks_pin_everything(lock: Path) -> None:
    pins = dict(line.split("==") for line in lock.read_text("utf-8").splitlines())
    names = {name.lower().replace("_", "-") for name in pins}
    extras = PROJECT["project"]["optional-dependencies"]
    for requirement in (*PROJECT["project"]["dependencies"], *extras["demo"], *extras["test"]):
        match = re.match(r"[\w-]+", requirement)
        assert match is not None
        if match[0] != "netdsl":
            assert match[0].lower() in names, f"{match[0]} is not pinned in {lock.name}"


def test_there_are_locks() -> None:
    assert [lock.stem for lock in LOCKS] == ["python3.11", "python3.12", "python3.13"]
