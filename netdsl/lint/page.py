"""docs/lint.md, written from the rules and their pages."""

from __future__ import annotations

from netdsl.codes import RULES
from netdsl.explanations import explanation, prose
from netdsl.lint import RULES as RECORDS

_TEXT = """\
# Linting programs

`netdsl lint TARGET…` finds what works and is better written otherwise: names that nothing reads,
pixels that no window reaches, biases that a batch norm subtracts again, ends in the wrong place. A
folder stands for all `.net` files in it; `FILE.net:NETWORK` and `--set` choose what its layers are
looked at in. It exits with 1 where anything is found. A program with errors is not linted: they are
shown instead.

Rules about the text need only that. Rules about layers look at every network of a file that needs
no further arguments, at the sizes that its input declares, through all blocks and loops; what they
find is shown once, where it is written. Blocks that a file imports are looked at with it, those of
`std` not. `netdsl explain RULE` says why a rule is one, with a program that it finds and a better
one.

| option | what it does |
| --- | --- |
| `--select RULE,…` | looks for these rules alone |
| `--ignore RULE,…` | leaves these out |
| `--fix` | applies the safe fixes and looks again, until none is left or ten times |
| `--unsafe-fixes` | beside `--fix` or `--diff`: also those that change weights, keys or outputs |
| `--diff` | shows what would change as a unified diff, and changes nothing |
| `--statistics` | shows how often each rule finds something |
| `--format` | `text`, `concise`, `json`, `sarif` or `github`, as of [`check`](check.md) |

A safe fix leaves what each network computes, its weights and their keys as they are. Every fix is
tried before it is shown, and comments stay. Fixes are made in the file that is linted, not in those
that it imports.

## What is meant

```net
network net {
  input image[8, 8, 3]
  conv(4, 1x1, stride = 2)  # lint: allow unread-pixels — as published
}
```

Behind code the comment is about its line; on a line of its own, about the next line of code, and
before a declaration about all of that. `# lint: allow-file RULE — reason` is about the file, and
commas separate several rules. The reason is required. A rule that does not exist, and an allowance
that keeps nothing back, are found themselves. Names that begin with `_` say that nothing reads
them.

## Rules
"""


def lint_page() -> str:
    """docs/lint.md: how to lint, and each rule with its fix and its reason."""
    rows = [
        f"| [`{slug}`](#{slug}) | {rule.looks_at} | {RULES[slug]} | {rule.fix or 'none'} |"
        for slug, rule in RECORDS.items()
    ]
    reasons = []
    for slug in RECORDS:
        page = explanation(slug)
        assert page is not None, f"{slug} has no page"
        reasons += [f"### {slug}", "", prose(slug), "", "```net", page.fails.rstrip(), "```", ""]
    return "\n".join(
        [
            _TEXT,
            "| rule | looks at | what it finds | fix |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            *reasons,
        ]
    )
