"""What `netdsl check --format` writes for code hosts, editors and scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from wrong_programs import FOLDER, WrongProgram, diagnose_file, wrong_programs

from netdsl import exits, main
from netdsl.codes import CODES
from netdsl.diagnostics import Diagnostic, Edit, Fix, Frame, Label
from netdsl.github import workflow_commands
from netdsl.render import concise, distinct, render, to_json
from netdsl.sarif import to_sarif
from netdsl.source import Source

# 𝛂 is one code point, and two code units of UTF-16.
TEXT = 'network n {\n  let x = "𝛂" + 4 # 幅\n  conv2d(4)\n}\n'
SOURCE = Source("nets/a b.net", TEXT)
PLUS = TEXT.index("+")
CONV = TEXT.index("conv2d")
DIAGNOSTIC = Diagnostic(
    "operand-type",
    "50% of: this, {or} that",
    SOURCE.span(PLUS, PLUS + 1),
    labels=(Label(SOURCE.span(CONV, CONV + 6), "beside {this}"),),
    notes=("one\ntwo",),
    help="write `x`",
    trail=(Frame(SOURCE.span(0, TEXT.index("\n  conv")), "`unit`"),),
    fixes=(
        Fix("write `-`", (Edit(SOURCE.span(PLUS, PLUS + 1), "-"),), True),
        Fix(
            "add a line",
            (
                Edit(SOURCE.span(CONV - 2, CONV - 2), "  relu\n"),
                Edit(SOURCE.span(CONV, CONV + 6), "conv"),
            ),
            False,
        ),
    ),
)
LONG = Diagnostic("value-unused", "m", SOURCE.span(0, len(TEXT) - 1), severity="warning")

# The parts of the 2.1.0 schema that a log of ours uses: what each object may have and must have.
# `Sarif.Multitool validate --rule-kind "Sarif;Ghas"` 5.7.0, which has the whole schema and GitHub's
# demands, finds nothing in a log of all the programs of tests/errors but that there is no address.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "sarifLog": ({"$schema", "version", "runs"}, {"version", "runs"}),
    "run": ({"tool", "columnKind", "results"}, {"tool"}),
    "tool": ({"driver"}, {"driver"}),
    "toolComponent": ({"name", "version", "rules"}, {"name"}),
    "reportingDescriptor": ({"id", "shortDescription", "fullDescription", "help"}, {"id"}),
    "multiformatMessageString": ({"text"}, {"text"}),
    "result": (
        {"ruleId", "ruleIndex", "level", "message", "locations", "relatedLocations", "fixes"},
        {"message"},
    ),
    "message": ({"text"}, {"text"}),
    "location": ({"id", "physicalLocation", "message"}, set()),
    "physicalLocation": ({"artifactLocation", "region"}, {"artifactLocation"}),
    "artifactLocation": ({"uri"}, {"uri"}),
    "region": ({"startLine", "startColumn", "endLine", "endColumn"}, {"startLine"}),
    "fix": ({"description", "artifactChanges", "properties"}, {"artifactChanges"}),
    "artifactChange": ({"artifactLocation", "replacements"}, {"artifactLocation", "replacements"}),
    "replacement": ({"deletedRegion", "insertedContent"}, {"deletedRegion"}),
    "artifactContent": ({"text"}, set()),
    "propertyBag": ({"safe"}, set()),
}
# The object that stands under each key; lists are of these objects.
KEYS = {
    "runs": "run",
    "tool": "tool",
    "driver": "toolComponent",
    "rules": "reportingDescriptor",
    "shortDescription": "multiformatMessageString",
    "fullDescription": "multiformatMessageString",
    "help": "multiformatMessageString",
    "results": "result",
    "message": "message",
    "description": "message",
    "locations": "location",
    "relatedLocations": "location",
    "physicalLocation": "physicalLocation",
    "artifactLocation": "artifactLocation",
    "region": "region",
    "deletedRegion": "region",
    "fixes": "fix",
    "artifactChanges": "artifactChange",
    "replacements": "replacement",
    "insertedContent": "artifactContent",
    "properties": "propertyBag",
}


def require_valid(value: object, name: str) -> None:
    if isinstance(value, list):
        for each in value:
            require_valid(each, name)
        return
    assert isinstance(value, dict), name
    allowed, required = OBJECTS[name]
    assert required <= value.keys() <= allowed, name
    for key, inner in value.items():
        if key in KEYS:
            require_valid(inner, KEYS[key])
        elif name == "region":
            assert isinstance(inner, int)
            assert inner >= 1
        else:
            assert isinstance(inner, (str, int)), key


def test_a_log_has_the_shape_of_the_schema() -> None:
    log = json.loads(json.dumps(to_sarif([DIAGNOSTIC, LONG])))
    require_valid(log, "sarifLog")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["columnKind"] == "utf16CodeUnits"
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]


@pytest.mark.parametrize("case", wrong_programs(), ids=lambda case: case.name)
def test_all_wrong_programs_in_each_format(case: WrongProgram) -> None:
    diagnostics = diagnose_file(case.path)
    require_valid(json.loads(json.dumps(to_sarif(diagnostics))), "sarifLog")
    lines = workflow_commands(diagnostics).splitlines()
    assert len(lines) == len(distinct(diagnostics)) == len(concise(diagnostics).splitlines())
    for line in lines:
        assert re.match(r"::(error|warning) file=[^,:]+,line=\d+,(col=\d+,)?endLine=\d+,", line)
        assert re.sub(r"%(25|0A|0D|3A|2C)", "", line).count("%") == 0


def region_text(region: dict[str, int]) -> str:
    """The text of a region, counted in UTF-16 as a reader of the log would."""
    lines = [line.encode("utf-16-le") for line in TEXT.split("\n")]
    start, end = region["startLine"] - 1, region["endLine"] - 1
    lines[end] = lines[end][: 2 * (region["endColumn"] - 1)]
    lines[start] = lines[start][2 * (region["startColumn"] - 1) :]
    return b"\n\0".join(lines[start : end + 1]).decode("utf-16-le")


def test_columns_count_utf_16() -> None:
    result = to_sarif([DIAGNOSTIC])["runs"][0]["results"][0]
    (place,) = result["locations"]
    region = place["physicalLocation"]["region"]
    assert region_text(region) == "+"
    assert region["startColumn"] == DIAGNOSTIC.span.source.line_column(PLUS)[1] + 1
    related = result["relatedLocations"]
    assert [region_text(each["physicalLocation"]["region"]) for each in related] == [
        "conv2d",
        DIAGNOSTIC.trail[0].span.text,
    ]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "nets/a%20b.net"


def test_braces_of_messages_are_doubled() -> None:
    """§3.11.5: a single brace begins a placeholder."""
    result = to_sarif([DIAGNOSTIC])["runs"][0]["results"][0]
    assert "{{or}}" in result["message"]["text"]
    assert result["relatedLocations"][0]["message"]["text"] == "beside {{this}}"
    insertion = result["fixes"][1]["artifactChanges"][0]["replacements"][0]
    assert insertion["insertedContent"]["text"] == "  relu\n"
    assert region_text(insertion["deletedRegion"]) == ""


def test_an_absolute_name_is_a_file_uri() -> None:
    source = Source("/a/b c.net", "x")
    log = to_sarif([Diagnostic("no-input", "m", source.span(0, 1))])
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "file:///a/b%20c.net"


def test_workflow_commands_are_escaped() -> None:
    shown = workflow_commands([DIAGNOSTIC, LONG])
    first, second, end = shown.split("\n")
    assert end == ""
    assert first == (
        "::error file=nets/a b.net,line=2,col=15,endLine=2,endColumn=16,title=operand-type::"
        "50%25 of: this, {or} that%0Abeside {this}, at nets/a b.net:3:3%0A"
        "in: `unit`, at nets/a b.net:1:1%0Anote: one%0Atwo%0A"
        "help: write `x`"
    )
    # Over several lines GitHub takes no columns.
    assert second == "::warning file=nets/a b.net,line=1,endLine=4,title=value-unused::m"


def test_properties_can_not_break_out() -> None:
    source = Source("a,b:c%.net", "x")
    shown = workflow_commands([Diagnostic("no-input", "a::b\x1b[2J", source.span(0, 1))])
    assert shown.startswith("::error file=a%2Cb%3Ac%25.net,line=1,")
    assert shown.endswith("::a::b\\x1b[2J\n")


def test_concise_lines() -> None:
    assert concise([DIAGNOSTIC, DIAGNOSTIC, LONG]) == (
        "nets/a b.net:2:15: error[operand-type] 50% of: this, {or} that\n"
        "nets/a b.net:1:1: warning[value-unused] m\n"
    )
    assert concise([]) == ""


def test_json_has_the_fixes() -> None:
    first, second = to_json(DIAGNOSTIC)["fixes"]
    assert (first["message"], first["safe"], second["safe"]) == ("write `-`", True, False)
    (edit,) = first["edits"]
    assert (edit["line"], edit["column"], edit["end_column"], edit["text"]) == (2, 15, 16, "-")


def test_a_rendered_fix_shows_the_changed_lines() -> None:
    text = render([DIAGNOSTIC], color=False)
    assert (
        '  = fix: write `-`\n  |\n2 -   let x = "𝛂" + 4 # 幅\n2 +   let x = "𝛂" - 4 # 幅\n'
    ) in text
    assert ("  = unsafe fix: add a line\n  |\n3 -   conv2d(4)\n3 +   relu\n4 +   conv(4)\n") in text
    colored = render([DIAGNOSTIC], color=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.net").write_text("network net {\n  input i[8, 8, 4]\n  conv2d(4, 3x3)\n}\n")
    Path("b.net").write_text("network net {\n  input i[8, 8, 4]\n  relu\n}\n")
    return tmp_path


def test_the_command_writes_each_format(folder: Path, capsys) -> None:
    def written(format: str, *more: str) -> str:
        code = main.run(["check", ".", "--format", format, *more])
        assert code == exits.PROGRAM_HAS_ERRORS
        out, err = capsys.readouterr()
        assert err == ""
        return out

    assert written("concise") == (
        "a.net:3:3: error[unknown-layer] there is no operator or block `conv2d`\n"
    )
    assert written("github").startswith("::error file=a.net,line=3,col=3,endLine=3,endColumn=9,")
    log = json.loads(written("sarif"))
    require_valid(log, "sarifLog")
    (result,) = log["runs"][0]["results"]
    (fix,) = result["fixes"]
    assert fix["properties"] == {"safe": True}
    value = json.loads(written("json"))
    assert [each["network"] for each in value["networks"]] == ["net"] * len(value["networks"])
    assert value["diagnostics"][0]["fixes"][0]["message"] == "write `conv`"
    assert value["fixed"] == []


def test_json_says_what_was_fixed(folder: Path, capsys) -> None:
    assert main.run(["check", "a.net", "--fix", "--format", "json"]) == exits.FINE
    value = json.loads(capsys.readouterr().out)
    assert [(each["code"], each["line"], each["fix"]) for each in value["fixed"]] == [
        ("unknown-layer", 3, "write `conv`")
    ]
    assert value["diagnostics"] == []
    assert value["networks"][0]["ok"]


def test_a_program_without_mistakes_gives_an_empty_log(folder: Path, capsys) -> None:
    for format, expected in (("concise", ""), ("github", "")):
        assert main.run(["check", "b.net", "--format", format]) == exits.FINE
        assert capsys.readouterr() == (expected, "")
    assert main.run(["check", "b.net", "--format", "sarif"]) == exits.FINE
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []


def test_the_page_shows_what_is_shown(folder: Path, capsys) -> None:
    page = (Path(__file__).parents[1] / "docs" / "check.md").read_text("utf-8")
    differs, shown = page.split("```\n")[1:4:2]
    assert differs in (FOLDER / "shape-mismatch" / "unet-odd.txt").read_text("utf-8")
    Path("a.net").write_text(
        "network net {\n  input image[8, 8, 4]\n  conv(4, 3x3, padding = same)\n}\n"
    )
    assert main.run(["check", "a.net"]) == exits.PROGRAM_HAS_ERRORS
    assert capsys.readouterr().err == (
        f"{shown}\n1 error\nnote: --fix applies the safe fix, --diff shows the change first\n"
    )
