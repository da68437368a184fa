"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says something of the machine's other work, and nothing of ours.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the code gives now into tests/golden; the diff is the review",
    )
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="try every size of image where a few are tried otherwise, which takes minutes",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests that need PyTorch to `pytest -m parity`, which `make test-parity` runs."""
    if collection_path.name == "parity" and config.getoption("markexpr") != "parity":
        return True
    return None


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether this run rewrites what is expected."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def exhaustive(request: pytest.FixtureRequest) -> bool:
    """Whether this run tries all cases where others try some."""
    return bool(request.config.getoption("--exhaustive"))


@pytest.fixture
def golden(update_golden: bool) -> Callable[[str, str], None]:
    """`golden(name, text)` demands that `text` is what tests/golden/`name` holds."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update_golden:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            return
        assert path.exists(), f"tests/golden/{name} is missing: `make golden` writes it"
        assert path.read_text("utf-8") == text

    return compare
