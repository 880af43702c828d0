"""What questions of a kind usually ask for: counted, forgotten bit by bit, bounded.

Kept per tenant, in this process alone, and free of who asked about whom (see ``kinds`` and ``templates``): the fields
that a tenant asks for are its own business.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tilores_x.graph.ahead.kinds import Kind

MOST_KINDS = 512
"""Kinds that are remembered, of all tenants; the one not met for longest is forgotten first."""

MOST_TEMPLATES = 12
"""Templates per kind; with ``templates.LONGEST`` that bounds the memory at 10 MB."""

DECAY = 0.9
"""What a turn still counts after the next of its kind: half of it after seven."""

LIKELY = 0.5
"""The share of turns from which on a template is started ahead."""

ALIKE = 0.5
"""How like a kind must be to stand in for one that was never met: the share of words in common."""

OTHERWISE_NAMED = 0.1
"""What it takes off that people are named in another way."""

PROBE_EVERY = 16
"""One turn in so many is answered as if nothing were known, or nothing would be learned any more."""


@dataclass(slots=True)
class Habit:
    """Of one kind. ``seen`` counts templates, ``turns`` the turns (both decayed), ``times`` the turns as they are.

    ``calls_waited`` and ``calls_started`` are mean numbers of model calls, where seek's results stood in the first
    prompt and where the model began at once; None while not measured.
    """

    turns: float = 0.0
    times: int = 0
    seen: dict[str, float] = field(default_factory=dict)
    calls_waited: float | None = None
    calls_started: float | None = None

    def share(self, template: str) -> float:
        return self.seen.get(template, 0.0) / self.turns if self.turns else 0.0

    def likely(self) -> list[str]:
        """Templates that most turns needed, the surest first."""
        found = [template for template in self.seen if self.share(template) >= LIKELY]
        return sorted(found, key=lambda template: (-self.seen[template], template))

    @property
    def probing(self) -> bool:
        """Whether the next turn is to tell what is asked without help."""
        return self.times % PROBE_EVERY == PROBE_EVERY - 1


class Habits:
    """Of one process."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[tuple[str, Kind], Habit] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kinds)

    def all(self) -> list[Habit]:
        return list(self._kinds.values())

    def of(self, tenant: str, kind: Kind) -> Habit:
        """What is known of a kind, or else of the one most like it; an empty habit where there is none.

        How people are named matters little beside what is asked: a template that doesn't fit is passed over.
        """
        known = self._kinds.get((tenant, kind))
        if known is not None:
            return known
        best, most = None, ALIKE
        for (whose, other), habit in reversed(self._kinds.items()):
            if whose == tenant and (alike := _alike(kind, other)) >= most:
                best, most = habit, alike + 1e-9  # of equals the one met last
        return best or Habit()

    def learn(
        self, tenant: str, kind: Kind, asked: Mapping[str, float], *, model_calls: int, waited: bool | None
    ) -> None:
        """A turn is over. ``asked`` says for each template how far it was needed (0 to 1).

        ``waited`` is None where seek had nothing to wait for.
        """
        habit = self._kinds.setdefault((tenant, kind), Habit())
        self._kinds.move_to_end((tenant, kind))
        while len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        habit.turns = habit.turns * DECAY + 1
        habit.times += 1
        habit.seen = {template: count * DECAY for template, count in habit.seen.items()}
        for template, share in asked.items():
            habit.seen[template] = habit.seen.get(template, 0.0) + share
        best = sorted(habit.seen, key=lambda template: -habit.seen[template])[:MOST_TEMPLATES]
        habit.seen = {template: habit.seen[template] for template in best if habit.seen[template] > 0.05}
        if waited:
            habit.calls_waited = _mean(habit.calls_waited, model_calls)
        elif waited is False:
            habit.calls_started = _mean(habit.calls_started, model_calls)


def _alike(one: Kind, other: Kind) -> float:
    mine, theirs = set(one.words), set(other.words)
    if not mine & theirs:
        return 0.0
    return len(mine & theirs) / len(mine | theirs) - (OTHERWISE_NAMED if one.named != other.named else 0.0)


def _mean(known: float | None, new: float) -> float:
    return new if known is None else known + (new - known) * 0.3
