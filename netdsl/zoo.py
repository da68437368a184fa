"""The networks that netdsl ships, with their figures: counted once, and kept beside them.

Counting all of them takes seconds, so that `architectures/zoo.json` has what came of it, and a
digest of the programs it came of. `make golden` writes the file, and a test counts again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from netdsl import syntax
from netdsl.network import (
    SHIPPED,
    bases,
    complete_networks,
    load_file,
    load_network,
    shipped_networks,
)
from netdsl.program import ProgramFile
from netdsl.source import read_source

RECORD = SHIPPED / "zoo.json"


class Entry(NamedTuple):
    """A shipped network; `name` is what commands call it, `input` its shape without the batch.

    `paper` names its authors, as the documentation of its program does; `arxiv` is a number such
    as 1512.03385. Either is "" where there is none, as is `year` 0.
    """

    name: str
    file: str
    params: int
    macs: int
    input: tuple[int, ...]
    paper: str
    year: int
    arxiv: str
    about: str


def entries() -> tuple[tuple[Entry, ...], bool]:
    """All shipped networks by name, and whether they had to be counted now.

    They are where a program is not what it was when the record was written.
    """
    try:
        record = json.loads(RECORD.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return tuple(counted()), True
    if record.get("programs") != programs_digest():
        return tuple(counted()), True
    read = (Entry(**row)._replace(input=tuple(row["input"])) for row in record["networks"])
    return tuple(read), False


def record(found: Iterable[Entry]) -> str:
    """The text of `architectures/zoo.json`, a network a line."""
    rows = ",\n".join(f"    {json.dumps(each._asdict(), ensure_ascii=False)}" for each in found)
    head = json.dumps(programs_digest())
    return f'{{\n  "programs": {head},\n  "networks": [\n{rows}\n  ]\n}}\n'


def programs_digest() -> str:
    """Identifies the shipped programs, by their places and texts."""
    digest = hashlib.sha256()
    for path in sorted(SHIPPED.glob("**/*.net")):
        text = path.read_text("utf-8")
        digest.update(f"{path.relative_to(SHIPPED).as_posix()} {len(text)}\n{text}".encode())
    return digest.hexdigest()


def counted() -> Iterator[Entry]:
    """Elaborate each shipped network that is no template. Those with errors are left out."""
    files: dict[str, ProgramFile | None] = {}
    for name, path in sorted(shipped_networks().items()):
        shown = path.relative_to(SHIPPED).as_posix()
        if shown not in files:
            files[shown] = load_file(read_source(path, shown))[0]
        file = files[shown]
        short = name.rpartition("/")[2]
        if file is None or short not in complete_networks(file):
            continue
        network, _ = load_network(file, short, {})
        if network is None:
            continue
        total = network.report.total
        paper, year, arxiv = _paper(file, short)
        yield Entry(
            name,
            shown,
            _whole(total.params),
            _whole(total.macs),
            tuple(map(_whole, network.graph.nodes[0].type.shape)),
            paper,
            year,
            arxiv,
            about(file, short),
        )


def about(file: ProgramFile, name: str) -> str:
    """The first line of a network's documentation; else what it is a variant of, or its file's."""
    declaration = file.networks[name]
    body = declaration.body
    own = "" if body is None else body.documentation
    if not own and isinstance(declaration, syntax.Variant):
        arguments = ", ".join(argument.span.text for argument in declaration.arguments)
        return f"{declaration.base}({arguments})"
    return _first_line(own or file.tree.documentation)


# `MobileNetV2 (Sandler et al. 2018): …` in documentation, `Chollet 2017, …` in a claim.
_CITED = re.compile(r"\(([A-Z][^()]*? (\d{4}))[,)]")
_CITING = re.compile(r"([A-Z][^,]*?(?:, [A-Z][^,]*?)* (\d{4}))\b")
_ARXIV = re.compile(r"arXiv:((\d\d)\d\d\.\d{4,5})")


def _paper(file: ProgramFile, name: str) -> tuple[str, int, str]:
    """The authors, year and arXiv number of what a network was published in.

    What is nearest says it: the network's documentation, its `claim paper`, those of the networks
    that it is a variant of, and the file's documentation.
    """
    whole = file.tree.documentation
    for text, is_claim in _sayings(file, name):
        cited = _CITING.match(text) if is_claim else _CITED.search(_first_line(text))
        number = _ARXIV.search(text)
        if cited is None and number is None and not is_claim:
            continue
        if cited is None and number is not None:
            # A claim has the number alone; whose it is stands at the top of the file.
            first = _ARXIV.search(whole)
            if first is not None and first[1] == number[1]:
                cited = _CITED.search(_first_line(whole))
        authors = "" if cited is None else cited[1]
        year = int(cited[2]) if cited else 2000 + int(number[2]) if number else 0
        return authors, year, number[1] if number else ""
    return "", 0, ""


def _sayings(file: ProgramFile, name: str) -> Iterator[tuple[str, bool]]:
    """Texts that may name the paper, each with whether it is that of a claim."""
    for declaration in bases(file, name):
        if declaration.body is None:
            continue
        yield declaration.body.documentation, False
        for statement in declaration.body.statements:
            if isinstance(statement, syntax.Claim) and statement.kind == "paper":
                yield statement.source, True
    yield file.tree.documentation, False


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def _whole(size: object) -> int:
    assert isinstance(size, int), f"a shipped network has the size {size}"
    return size
