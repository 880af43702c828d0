"""The table of intents: what a question may ask (topics of ``lexicon.py``), and the function that answers it.

``cues`` are alternatives parted by ";": all of an alternative's words must be found in one clause, "a|b" being either.
Topics in ``also`` don't make the intent, but belong to it where they are found beside it. An intent yields to one that
explains more of the same topics; "?" marks a weak alternative, which yields to any other intent of its clause.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tilores_x.llm.planner import account, credit, identity
from tilores_x.llm.planner.case import Case
from tilores_x.llm.planner.words import BUREAU, FIELD, Spoken, Vocabulary, Word

Say = Callable[[Case], str]


@dataclass(frozen=True)
class Intent:
    name: str
    cues: str
    say: Say
    also: str = ""

    @cached_property
    def alternatives(self) -> list[tuple[bool, list[frozenset[str]]]]:
        """For each alternative whether it is weak, and the topics of which one each is needed."""
        cues = [cue.strip() for cue in self.cues.split(";")]
        return [(cue.endswith("?"), [frozenset(part.split("|")) for part in cue.rstrip("?").split()]) for cue in cues]

    def fit(self, topics: frozenset[str]) -> tuple[bool, frozenset[str]] | None:
        """Whether it fits only weakly, and the topics that it explains."""
        fits = [
            (weak, frozenset().union(*needs) & topics | topics & frozenset(self.also.split()))
            for weak, needs in self.alternatives
            if all(need & topics for need in needs)
        ]
        return min(fits, key=lambda fit: (fit[0], -len(fit[1])), default=None)


_MONEY = "payment late ontime last many when due "
_CREDIT = "score credit points report bureau allbureaus last "

INTENTS = (
    Intent("identity", "who; info?; records?", identity.who_it_is, "info when"),
    Intent("status", "status", account.status, "when last info"),
    Intent("cancelled", "cancel", account.cancelled, "status when reason product"),
    Intent("product", "product", account.product, "enroll last info when begin"),
    Intent("enrolled", "enroll; product when|begin; when begin", account.enrolled, "when begin product"),
    Intent("score", "score; credit; bureau; report; allbureaus; points", credit.score, _CREDIT + "bureaus info who"),
    Intent("enrol_score", "score|credit|points enroll|begin", credit.score_at_enrolment,
           _CREDIT + "bureaus when begin enroll compare"),
    Intent("development", "timeline; improve; change; points enroll", credit.development,
           _CREDIT + "timeline improve change points enroll begin many when info"),
    Intent("compare", "compare|previous score|report|bureau|allbureaus|credit; change|compare previous; "
           "bureaus improve|change", credit.compare,
           _CREDIT + "bureaus compare previous change improve begin"),
    Intent("utilization", "utilization", credit.utilization, "credit last many when bureau bureaus report method"),
    Intent("improve", "advice improve|score|credit|points|factor|utilization|report; factor; "
           "reason score|credit; advice?", credit.improve,
           _CREDIT + "advice factor improve reason change points utilization relate compare many begin"),
    Intent("late", "late", account.late, _MONEY + "info timeline"),
    Intent("consistency", "ontime; payment?", account.consistency, _MONEY + "info timeline change"),
    Intent("last_payment", "last payment; when payment", account.last_payment, "when info method many"),
    Intent("next_due", "due", account.next_due, "payment when last many field:payment_amount info"),
    Intent("payment_method", "method", account.payment_method, "payment last info"),
    Intent("balance", "balance", account.balance, "payment many last due info credit"),
    Intent("relation", "payment|late|ontime score|credit|report|utilization|points; method score|credit relate; "
           "payment|late|ontime relate|same improve|change", credit.relation,
           _CREDIT + _MONEY + "relate compare change improve timeline factor same advice reason utilization enroll "
           "balance method"),
    Intent("why_one", "same; reason records", identity.why_one_person, "records reason who compare info many relate"),
    Intent("conflicts", "conflict; compare records", identity.conflicts, "records compare info many same"),
    Intent("duplicates", "duplicate", identity.duplicates, "records many info same who"),
    Intent("how_many_records", "many records", identity.how_many_records),
)  # fmt: skip
BY_NAME = {intent.name: intent for intent in INTENTS}
_JOINING = frozenset({"relate", "compare", "previous", "advice"})
_CUT = re.compile(r"[,;.?!\n/]\s|[,;.?!\n]$|\s+(?:and|also|plus|then|&|as well as|along with)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks: names of intents, concepts asked for themselves, the bureaus and years it names."""

    intents: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    bureaus: tuple[str, ...] = ()
    years: tuple[str, ...] = ()
    topics: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.intents or self.fields)


def what_is_asked(text: str, words: Sequence[Word], vocabulary: Vocabulary, years: tuple[str, ...]) -> Asked:
    """``words`` are those of the question that don't name anybody."""
    spoken = vocabulary.topics(words)
    bureaus = tuple(dict.fromkeys(s.topic.removeprefix(BUREAU) for s in spoken if s.topic.startswith(BUREAU)))
    fields = tuple(dict.fromkeys(s.topic.removeprefix(FIELD) for s in spoken if s.topic.startswith(FIELD)))
    everything = _topics(spoken)
    clauses = [everything] if everything & _JOINING else [_topics(part) for part in _clauses(text, spoken)]
    intents = dict.fromkeys(name for clause in _whole(clauses) for name in _of(clause))
    return Asked(tuple(intents), fields, bureaus, years, everything)


def _topics(spoken: Iterable[Spoken]) -> frozenset[str]:
    plain = {("bureau" if one.topic.startswith(BUREAU) else one.topic) for one in spoken}
    several = len({one.topic for one in spoken if one.topic.startswith(BUREAU)}) > 1
    return frozenset(plain | {"bureaus"} if several else plain)


def _clauses(text: str, spoken: Sequence[Spoken]) -> list[list[Spoken]]:
    ends = [match.start() for match in _CUT.finditer(text)] + [len(text)]
    parts: list[list[Spoken]] = [[] for _ in ends]
    for one in spoken:
        parts[next(at for at, end in enumerate(ends) if one.end <= end or end == len(text))].append(one)
    return [part for part in parts if part]


def _whole(clauses: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """A clause that asks nothing by itself belongs to the next, or to the one before where it is the last."""
    whole: list[frozenset[str]] = []
    rest: frozenset[str] = frozenset()
    for clause in clauses:
        rest |= clause
        if _of(rest) or any(topic.startswith(FIELD) for topic in rest):
            whole.append(rest)
            rest = frozenset()
    if rest and whole:
        whole[-1] |= rest
    return whole


def _of(topics: frozenset[str]) -> list[str]:
    fits = [(intent.name, *fit) for intent in INTENTS if (fit := intent.fit(topics))]
    strong = [fit for fit in fits if not fit[1]] or fits
    names = [name for name, _, explained in strong if not any(explained < other for _, _, other in strong)]
    return [] if names == ["identity"] and any(topic.startswith(FIELD) for topic in topics) else names
