"""Which of some records form one entity, and why: connected components, edges and duplicates, over plain values.

The engine keeps entities up to date one record at a time; here they are worked out from nothing, for the few records
of an entity that comes apart, and for one seen with some of its records hidden.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tilores_x.sandbox.engine.rules import Rule, Traits

LISTED: Final = 200
"""Records of one entity sharing one key to which edges are listed; later records link to these only. Without it, a
thousand records with one e-mail address would come with half a million edges."""

MET: Final = 1000
"""The same where cuts and bans stand: one record no longer speaks for all that share its key."""


class Member(NamedTuple):
    """A record as the graph sees it; ``seq`` orders records by submission."""

    seq: int
    id: str
    digest: bytes
    traits: tuple[Traits | None, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What must not be linked.

    ``cuts`` holds pairs of record IDs whose edge was taken out, both ways round. ``parts`` maps a record ID to the
    bans that it stands under, as (reference, part): two different parts of one reference never share an entity.
    """

    cuts: Mapping[str, Collection[str]]
    parts: Mapping[str, frozenset[tuple[str, int]]]

    def __bool__(self) -> bool:
        return bool(self.cuts or self.parts)

    def cut(self, a: str, b: str) -> bool:
        return b in self.cuts.get(a, ())


UNBOUND: Final = Bounds({}, {})


def compatible(a: Collection[tuple[str, int]], b: Collection[tuple[str, int]]) -> bool:
    """Whether records under these bans may share an entity."""
    where = dict(a)
    return all(where.get(reference, part) == part for reference, part in b)


def partition(members: Sequence[Member], rules: Sequence[Rule], bounds: Bounds = UNBOUND) -> list[list[int]]:
    """The entities that ``members`` (in order of submission) form, as lists of positions, the oldest first.

    Under bans the result depends on that order: each record joins the older entities that it links to, the oldest
    first, as far as the bans allow.
    """
    parent = list(range(len(members)))
    under = [set(bounds.parts.get(member.id, ())) for member in members]

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    finder = _Finder(rules, most=MET if bounds else 1)
    for at, member in enumerate(members):
        met = {root(i) for i, _ in finder.linked(member) if not bounds.cut(members[i].id, member.id)}
        for older in sorted(met):
            mine = root(at)
            if compatible(under[older], under[mine]):
                first, second = min(older, mine), max(older, mine)
                parent[second] = first
                under[first] |= under[second]
        finder.add(at, member)
    groups: dict[int, list[int]] = defaultdict(list)
    for at in range(len(members)):
        groups[root(at)].append(at)
    return list(groups.values())


def duplicates(members: Sequence[Member], bounds: Bounds = UNBOUND) -> dict[int, list[int]]:
    """Originals with their duplicates, by position in one entity.

    Records of one entity with the same content are duplicates of the first; one whose edges were cut stands for itself.
    """
    first: dict[bytes, int] = {}
    found: dict[int, list[int]] = defaultdict(list)
    for at, member in enumerate(members):
        if member.id in bounds.cuts:
            continue
        original = first.setdefault(member.digest, at)
        if original != at:
            found[original].append(at)
    return dict(found)


def edges(
    members: Sequence[Member], rules: Sequence[Rule], bounds: Bounds = UNBOUND
) -> list[tuple[int, int, list[str]]]:
    """The linked pairs among ``members`` (older position first) with the IDs of the rules that hold, in rule order."""
    finder = _Finder(rules, most=LISTED)
    found = []
    for at, member in enumerate(members):
        pairs: dict[int, list[str]] = defaultdict(list)
        for older, rule in finder.linked(member):
            if not bounds.cut(members[older].id, member.id):
                pairs[older].append(rule)
        found += [(older, at, names) for older, names in pairs.items()]
        finder.add(at, member)
    return sorted(found)


class _Finder:
    """Finds the earlier members that a member links to, at most ``most`` per key and text."""

    def __init__(self, rules: Sequence[Rule], *, most: int) -> None:
        self._rules = rules
        self._most = most
        self._holders: dict[int, dict[tuple[tuple[str, ...], ...], list[int]]] = defaultdict(dict)

    def linked(self, member: Member) -> Iterator[tuple[int, str]]:
        """(position, rule ID), each pair once."""
        for rule, traits in zip(self._rules, member.traits, strict=True):
            if traits is None:
                continue
            seen: set[int] = set()
            for key in traits.keys:
                for texts, holders in self._holders[key].items():
                    if rule.close(texts, traits.texts):
                        seen.update(holders)
            for at in sorted(seen):
                yield at, rule.id

    def add(self, at: int, member: Member) -> None:
        for traits in member.traits:
            if traits is None:
                continue
            for key in traits.keys:
                holders = self._holders[key].setdefault(traits.texts, [])
                if len(holders) < self._most:
                    holders.append(at)
