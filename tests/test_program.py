"""Programs of several files: imports, their limits, and what is found where."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.exits import Failure
from netdsl.limits import LIMITS
from netdsl.network import (
    UnknownTarget,
    choose_network,
    find,
    load_file,
    read_settings,
    shipped_networks,
)
from netdsl.source import UnreadableSource, read_source

NETWORK = "network net(classes = 10) {\n  input image[H, 8, 3] default [8, 8, 3]\n  relu\n}\n"


def load(path: Path):
    return load_file(read_source(path))


def test_more_imports_than_the_limit(tmp_path):
    count = LIMITS.import_files + 1
    for number in range(count):
        (tmp_path / f"f{number}.net").write_text(f"block b{number} {{\n  relu\n}}\n")
    lines = [f'import b{number} from "f{number}.net"\n' for number in range(count)]
    (tmp_path / "main.net").write_text("".join(lines))
    _, diagnostics = load(tmp_path / "main.net")
    (diagnostic,) = diagnostics
    assert diagnostic.code == "too-many-imports"
    assert diagnostic.span.text == f'"f{count - 1}.net"'


def test_an_import_sees_its_own_file(tmp_path):
    (tmp_path / "a.net").write_text("let width = 3\nblock a {\n  conv(width, 1x1)\n}\n")
    (tmp_path / "b.net").write_text(
        'import a from "a.net"\nlet width = 5\nnetwork net {\n  input image[8, 8, 3]\n  a\n}\n'
    )
    file, diagnostics = load(tmp_path / "b.net")
    assert file is not None and not diagnostics


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    outside = tmp_path / "outside.net"
    outside.write_text("block a {\n  relu\n}\n")
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "a.net").symlink_to(outside)
    (inside / "main.net").write_text('import a from "a.net"\n')
    _, diagnostics = load(inside / "main.net")
    assert [each.code for each in diagnostics] == ["import-outside-project"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "is not UTF-8 text: byte 0 is 0xff"),
        (b"#" * (LIMITS.file_bytes + 1), "larger than the limit"),
    ],
)
def test_text_that_is_no_program_is_refused(tmp_path, content, message):
    path = tmp_path / "x.net"
    path.write_bytes(content)
    with pytest.raises(UnreadableSource, match=message.replace("+", r"\+")):
        read_source(path)


def test_line_ends_and_a_byte_order_mark_are_fine(tmp_path):
    path = tmp_path / "x.net"
    path.write_bytes(b"\xef\xbb\xbf" + NETWORK.replace("\n", "\r\n").encode())
    file, diagnostics = load(path)
    assert file is not None and not diagnostics


def test_a_folder_or_a_missing_file_says_so(tmp_path):
    with pytest.raises(UnreadableSource, match="is a directory"):
        read_source(tmp_path)
    with pytest.raises(UnreadableSource, match="there is no file"):
        find(str(tmp_path / "missing.net"))


def test_targets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.net").write_text(NETWORK + NETWORK.replace("net(", "two("))
    assert find("two.net:net").network == "net"
    assert find("resnet50").network == "resnet50"
    shipped = find("vgg16.net")
    assert shipped.network == "vgg16" and "no file vgg16.net here" in shipped.note
    with pytest.raises(UnknownTarget, match="did you mean `resnet50`"):
        find("resnt50")
    file, _ = load(tmp_path / "two.net")
    assert file is not None
    assert choose_network(file, None) == "two"
    with pytest.raises(UnknownTarget, match="has no network `three`"):
        choose_network(file, "three")


def test_shipped_names_are_unique():
    names = list(shipped_networks())
    assert len(names) == len(set(names)) > 40


def test_settings_are_expressions(tmp_path):
    path = tmp_path / "net.net"
    path.write_text(NETWORK)
    file, _ = load(path)
    assert file is not None
    settings, diagnostics = read_settings({"classes": "2 * 5", "H": "[1, 2][1]"}, file)
    assert not diagnostics
    assert {name: each.value for name, each in settings.items()} == {"classes": 10, "H": 2}
    _, diagnostics = read_settings({"classes": "2 *"}, file)
    assert [each.code for each in diagnostics] == ["unexpected-token"]


def test_failures_say_how_the_command_ends():
    assert issubclass(UnknownTarget, Failure) and UnknownTarget.exit_code == 2
    assert UnreadableSource.exit_code == 3
