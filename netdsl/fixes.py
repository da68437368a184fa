"""Find fixes by trying them: an edit is proposed once a check without the mistake has been seen.

    propose(source, check(source), check).diagnostics       # each with its fixes
    repair(source, check, unsafe=False).source.text         # the text with the safe ones applied

What to try is said in `netdsl.fixes_of_names`, `fixes_of_signs` and `fixes_of_shapes`.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from math import inf
from typing import NamedTuple, TypeAlias

from netdsl import fixes_of_names, fixes_of_shapes, fixes_of_signs, syntax
from netdsl.besides import what_remains
from netdsl.diagnostics import Diagnostic, Edit, Fix
from netdsl.exits import Failure
from netdsl.limits import NAMED
from netdsl.parse import parse
from netdsl.records import records
from netdsl.source import Source, Span

Check: TypeAlias = "Callable[[Source], tuple[Diagnostic, ...]]"
"""Everything that is wrong with a program; may raise Failure where it is none any more."""

Edits: TypeAlias = "tuple[Edit, ...]"

ROUNDS = 10
"""How often `repair` looks for what a fix has uncovered."""
# Each attempt is a check of the whole program.
_ATTEMPTS = 64
_ATTEMPTS_EACH = 20
_CHARACTERS = 200_000
"""Of a long program fewer attempts are made, so that their texts together have this length."""
_FIXES_EACH = 3
# What these change has effects anywhere.
_FAR_REACHING = frozenset(
    ("unclosed-bracket", "unopened-bracket", "assertion-failed", *fixes_of_shapes.CODES)
)

# Begin the codes of what depends on whether a value is an image, not on its sizes.
_OF_RANK = ("needs-", "unknown-")
# What has candidates only where the syntax tree says what stands around.
_WITH_TREE = frozenset(
    ("argument-value", "unknown-argument", "unknown-layer", *fixes_of_shapes.CODES)
)
# Has no candidates: what is too much has to be written otherwise.
_OF_LIMITS = frozenset(limit.code for limit in NAMED.values())


class _Trials:
    """A check that looks at each text once, and knows it by one Source."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.sources: dict[str, Source] = {}
        self.known: dict[str, tuple[Diagnostic, ...]] = {}

    @classmethod
    def of_check(cls, check: Check, source: Source) -> _Trials:
        """Those of a check that a text of this Source is changed for."""
        trials = check if isinstance(check, _Trials) else cls(check)
        trials.of(source)
        return trials

    def __call__(self, source: Source) -> tuple[Diagnostic, ...]:
        if source.text not in self.known:
            self.known[source.text] = self.check(self.of(source))
        return self.known[source.text]

    def of(self, source: Source) -> Source:
        """The Source that its text is known by."""
        return self.sources.setdefault(source.text, source)


class OverlappingEdits(ValueError):
    """Two edits change the same stretch of text."""


class Proposal(NamedTuple):
    """Diagnostics with their fixes; `all_tried` unless the time for it was up."""

    diagnostics: tuple[Diagnostic, ...]
    all_tried: bool = True


class Repair(NamedTuple):
    """A program after its fixes, with what was applied and what is still wrong.

    `applied` are fixes with the diagnostics that they settled, their places in the text of the
    round that they were found in.
    """

    source: Source
    applied: tuple[tuple[Diagnostic, Fix], ...]
    diagnostics: tuple[Diagnostic, ...]


def apply_edits(source: Source, edits: Iterable[Edit]) -> Source:
    """The program with the edits made. Raises OverlappingEdits."""
    text, end = "", 0
    previous: Span | None = None
    for span, replacement in sorted(edits, key=lambda edit: edit.span[1:]):
        if previous is not None and (span.start < end or span.start == previous.start):
            raise OverlappingEdits(f"{previous} and {span}")
        text += source.text[end : span.start] + replacement
        previous, end = span, span.end
    return Source(source.name, text + source.text[end:], source.path)


def propose(
    source: Source,
    diagnostics: tuple[Diagnostic, ...],
    check: Check,
    quick: Check | None = None,
    *,
    cpu_s: float = inf,
) -> Proposal:
    """The diagnostics, those in `source` itself with the fixes that work.

    `diagnostics` are what `check` says of the source. One at the same place with the same code as
    another has the same fixes. `quick` checks a part of the program, so that most of what does not
    work is known soon. After `cpu_s` of processor time nothing further is tried.
    """
    if not diagnostics:
        return Proposal(())
    trials = _Trials.of_check(check, source)
    quick = quick and _Trials.of_check(quick, source)
    end_s = time.process_time() + cpu_s
    codes = {each.code for each in diagnostics}
    attempts = min(_ATTEMPTS, _CHARACTERS // (len(source.text) + 1))
    tree = _tree(source) if attempts and codes & _WITH_TREE else None
    part: tuple[Diagnostic, ...] | None = None  # What `quick` says of the source, once needed.
    found: dict[tuple[str, Span], tuple[Fix, ...]] = {}
    all_tried = True
    for diagnostic in diagnostics:
        key = diagnostic.code, diagnostic.span
        ready = [fix for fix in diagnostic.fixes if _lies_in(fix, source)]
        if key in found or (diagnostic.span.source is not source and not ready):
            continue
        if diagnostic.code in _OF_LIMITS and not ready:
            continue
        if not attempts or time.process_time() > end_s:
            all_tried = False
            break
        fixes: list[Fix] = []
        each = min(attempts, _ATTEMPTS_EACH)
        attempts -= each
        kept = (fixes_of_signs.reconsidered(diagnostic, fix) for fix in ready)
        groups = [[fix] for fix in kept if fix is not None]
        if diagnostic.span.source is source:
            groups += fixes_of_names.candidates(diagnostic, tree)
            groups += fixes_of_shapes.candidates(diagnostic, tree)
        for group in groups:
            for fix in group:
                late = not each or time.process_time() > end_s
                if late or len(fixes) == _FIXES_EACH:
                    all_tried = all_tried and not late
                    break
                each -= 1
                # The name that is meant mostly works at once, a shape seldom.
                if quick is not None and diagnostic.code in fixes_of_shapes.CODES:
                    part = quick(source) if part is None else part
                    in_part = diagnostic in part
                    if in_part and not _settles(source, part, [diagnostic], fix.edits, quick):
                        continue
                if _settles(source, diagnostics, [diagnostic], fix.edits, trials):
                    fixes.append(fix)
                    break
        attempts += each
        found[key] = tuple(fixes)
    if any(fix.safe for fixes in found.values() for fix in fixes) and parse(source)[1]:
        found = _with_doubts(source, diagnostics, found, trials)
    return Proposal(
        tuple(
            diagnostic._replace(fixes=found.get((diagnostic.code, diagnostic.span), ()))
            for diagnostic in diagnostics
        ),
        all_tried,
    )


def repair(
    source: Source,
    check: Check,
    quick: Check | None = None,
    *,
    unsafe: bool,
    advised: Check | None = None,
) -> Repair:
    """Apply the safe fixes of a program, or with `unsafe` the first of each, round after round.

    A fix that would clash with another, or would make an error together with others, waits for the
    next round. `advised` is a check that finds changes to try besides.
    """
    trials = _Trials.of_check(check, source)
    quick = quick and _Trials.of_check(quick, source)

    def find(changed: Source) -> tuple[Diagnostic, ...]:
        found = trials(changed)
        if advised is not None and any(each.code == "assertion-failed" for each in found):
            return advised(changed)
        return found

    applied: list[tuple[Diagnostic, Fix]] = []
    diagnostics = propose(source, find(source), trials, quick).diagnostics
    for _ in range(ROUNDS):
        wanted: dict[Edits, tuple[Diagnostic, Fix]] = {}
        for diagnostic in diagnostics:
            fix = next((each for each in diagnostic.fixes if each.safe or unsafe), None)
            if fix is not None:
                wanted.setdefault(fix.edits, (diagnostic, fix))
        if not wanted:
            break
        chosen = _together(source, diagnostics, list(wanted.values()), trials)
        edits = [edit for _, fix in chosen for edit in fix.edits]
        source = trials.of(apply_edits(source, edits))
        applied += chosen
        diagnostics = propose(source, find(source), trials, quick).diagnostics
    return Repair(source, tuple(applied), diagnostics)


def _tree(source: Source) -> syntax.File | None:
    """The syntax tree of a program, or of what it is without its mistakes of syntax."""
    tree, mistakes = parse(source)
    remains = what_remains(source) if mistakes else None
    return tree if remains is None else parse(remains.source, source)[0]


def _lies_in(fix: Fix, source: Source) -> bool:
    return all(edit.span.source is source for edit in fix.edits)


def _together(
    source: Source,
    before: tuple[Diagnostic, ...],
    wanted: list[tuple[Diagnostic, Fix]],
    check: _Trials,
) -> list[tuple[Diagnostic, Fix]]:
    """Those of the fixes that can be applied at once, the first among them."""

    def settle(fixes: list[tuple[Diagnostic, Fix]]) -> bool:
        edits = tuple(edit for _, fix in fixes for edit in fix.edits)
        return _settles(source, before, [diagnostic for diagnostic, _ in fixes], edits, check)

    if len(wanted) > 1 and settle(wanted):
        return wanted
    chosen = wanted[:1]
    for each in wanted[1:]:
        if settle([*chosen, each]):
            chosen.append(each)
    return chosen


def _settles(
    source: Source,
    before: tuple[Diagnostic, ...],
    targets: list[Diagnostic],
    edits: Edits,
    check: _Trials,
) -> bool:
    """Whether the edits make the targets go away, and no new error.

    What a misspelt name stood before was not looked at, so that an error may come up once it is
    right; it speaks against the fix only where it is of what was edited, or of the call that this
    is the name of. A new shape or bracket has effects anywhere, so that any new error speaks
    against it, but for those that sizes have no part in.
    """
    try:
        changed = check.of(apply_edits(source, edits))
        after = check(changed)
    except (OverlappingEdits, Failure):
        return False
    were, are = Counter(map(_kind, before)), Counter(map(_kind, after))
    if any(are[_kind(each)] >= were[_kind(each)] for each in targets):
        return False
    new = [
        each for each in after if each.severity == "error" and are[_kind(each)] > were[_kind(each)]
    ]
    if any(each.code in _FAR_REACHING for each in targets):
        same_rank = not any(each.code.startswith("needs-") for each in targets)
        return all(same_rank and each.code.startswith(_OF_RANK) for each in new)
    places = _edited(edits, changed)
    return not any(_concerns(each, place) for each in new for place in places)


_Found: TypeAlias = "dict[tuple[str, Span], tuple[Fix, ...]]"

_SIGN = re.compile(r"[^\w\s()\[\]{}]+")
_FLOWING = (syntax.Flow, syntax.Input)


def _with_doubts(
    source: Source, before: tuple[Diagnostic, ...], found: _Found, check: _Trials
) -> _Found:
    """The fixes of a text with mistakes of syntax, of which nothing but the syntax was checked.

    Safe are those that leave no error where they are made once all of it is mended, with the first
    fix of each mistake, or by leaving the statement out. What can't be tried so is only safe where
    it is the spelling of a sign.
    """
    chosen: list[Fix] = []
    for fixes in found.values():
        for fix in fixes[:1]:
            try:
                apply_edits(source, [edit for each in (*chosen, fix) for edit in each.edits])
            except OverlappingEdits:
                continue
            chosen.append(fix)
    edits = tuple(edit for fix in chosen for edit in fix.edits)
    changed = check.of(apply_edits(source, edits))
    where = dict(zip(_in_order(edits), _edited(edits, changed, bodies=True), strict=True))
    remains = what_remains(changed)
    mended = None if remains is None else check.of(remains.source)
    tree = None if mended is None else parse(mended)[0]
    new: list[Diagnostic] = []
    if mended is not None and tree is not None:
        were = set(map(_kind, before))
        try:
            after = check(mended)
        except Failure:
            mended = None
        else:
            new = [each for each in after if each.severity == "error" and _kind(each) not in were]

    def holds(fix: Fix) -> bool:
        places = [where[edit] for edit in fix.edits if edit in where]
        if mended is None or tree is None or fix not in chosen or _left_out(places, mended):
            return all(map(_is_spelling, fix.edits))
        there = [mended.span(*place[1:3]) for place in places]
        return not any(_concerns(each, place) for each in new for place in there) and not any(
            _strands(tree, place)
            for edit, place in zip(fix.edits, there, strict=True)
            if edit.text.startswith("from ") and not edit.span.text.startswith("from ")
        )

    return {
        key: tuple(fix._replace(safe=fix.safe and holds(fix)) for fix in fixes)
        for key, fixes in found.items()
    }


def _is_spelling(edit: Edit) -> bool:
    """Whether only a sign is written otherwise, or what stands there with blanks or large letters:
    `→`, `&&`, `3X3`."""
    text = edit.span.text
    same = "".join(text.lower().split()) == "".join(edit.text.lower().split())
    return same or _SIGN.fullmatch(text.strip()) is not None


def _in_order(edits: Edits) -> Edits:
    return tuple(sorted(edits, key=lambda edit: edit.span[1:]))


def _left_out(places: list[Span], mended: Source) -> bool:
    """Whether any of what stood at the places is left out by now."""
    return any(place.text != mended.text[place.start : place.end] for place in places)


def _strands(tree: syntax.File, place: Span) -> bool:
    """Whether a path that begins at a place leaves the value before it without use."""
    for body in records(tree):
        if not isinstance(body, syntax.Body):
            continue
        flowing: syntax.Flow | syntax.Input | None = None
        for position, each in enumerate(body.statements):
            if not isinstance(each, syntax.Flow):
                flowing = each if isinstance(each, _FLOWING) else flowing
                continue
            if each.source is not None and each.span.start <= place.start < each.span.end:
                label = flowing.label if isinstance(flowing, syntax.Flow) else None
                if label is None:
                    return True
                used = [part.span.text for part in body.statements[position:]]
                name = rf"(?<![\w.]){re.escape(label.span.text)}(?!\w)"
                return not any(re.search(name, part) for part in used)
            flowing = each
    return False


def _kind(diagnostic: Diagnostic) -> tuple[str, str]:
    """What is the same before and after an edit elsewhere moved the diagnostic."""
    return diagnostic.code, diagnostic.message


def _edited(edits: Edits, changed: Source, *, bodies: bool = False) -> list[Span]:
    """Where the changed text is new, in order, each with the arguments that it opens or that stand
    behind it; with `bodies` also with the body that it opens."""
    places: list[Span] = []
    added = 0
    for span, text in _in_order(edits):
        start = span.start + added
        end = start + len(text)
        opening = changed.text[end : end + 1]
        if text.endswith(("(", "{") if bodies else "("):
            end -= 1
            opening = text[-1]
        closing = {"(": ")", "{": "}"}.get(opening, "")
        if opening == "(" or (closing and text.endswith(opening)):
            depth = 0
            for position in range(end, len(changed.text)):
                sign = changed.text[position]
                depth += (sign == opening) - (sign == closing)
                end = position
                if not depth:
                    break
        places.append(changed.span(start, end + 1))
        added += len(text) - (span.end - span.start)
    return places


def _concerns(diagnostic: Diagnostic, place: Span) -> bool:
    """Whether a diagnostic overlaps a place, or is reached by a call in it."""
    span = diagnostic.span
    return (
        span.source is place.source and span.start < place.end and place.start < span.end
    ) or any(
        frame.span.source is place.source and place.start <= frame.span.start < place.end
        for frame in diagnostic.trail
    )
