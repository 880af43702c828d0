"""From a conversation to the next step: calls of tools, or the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from langchain_core.messages import BaseMessage

from tilores_x.llm.planner import identity
from tilores_x.llm.planner.case import Case, bullets
from tilores_x.llm.planner.desk import READ_CONCEPTS, Desk
from tilores_x.llm.planner.intents import BY_NAME, Asked, what_is_asked
from tilores_x.llm.planner.lexicon import GOING_ON, SMALL
from tilores_x.llm.planner.subjects import Subject, find_subjects
from tilores_x.llm.planner.talk import Content, Hints, Turn, entities, read_turns
from tilores_x.llm.planner.words import Vocabulary, Word, read_words

ABLE = (
    "I can look up a customer by e-mail address, phone number, client ID or name, and tell: who it is, account status, "
    "product and enrollment, credit scores and reports of each bureau and how they changed, utilization, payments "
    "(late, last, next, method, balance), what may improve the score, and why records are one person, conflict or "
    "are duplicates."
)
_YEAR = re.compile(r"(?<![\w$.,-])(?:19|20)\d\d(?![\w%]|[.,-]\d)")
_RELATIVE = re.compile(r"\b(this|last|current|previous) year\b", re.IGNORECASE)
_GOING_ON = re.compile(rf"\W*(?:{'|'.join(GOING_ON)})\b", re.IGNORECASE)
_ORDINALS = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "last": -1}
_SHORT = 6


@dataclass(frozen=True, slots=True)
class Step:
    """Either ``calls`` (name, arguments) to make, or the ``text`` that answers."""

    text: str
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class Understood:
    """What a turn asks about whom. ``strange`` are unknown words; ``open`` says that nobody was settled on."""

    subjects: tuple[Subject, ...] = ()
    asked: Asked = field(default_factory=Asked)
    strange: tuple[str, ...] = ()
    open: bool = False


def next_step(messages: Sequence[BaseMessage], tools: Iterable[str]) -> Step:
    """What to do now: the calls that are still needed, all at once, or the answer."""
    hints = Hints.read(messages)
    turns = read_turns(messages)
    if not turns or not turns[-1].text.strip():
        return Step(f"What would you like to know, and about which customer? {ABLE}")
    understood = Understood()
    for at, turn in enumerate(turns):
        understood = understand(turn, turns[:at], understood, hints)
    desk = Desk(hints, turns[-1].lookups, frozenset(tools))
    text = _answer(understood, desk)
    return Step("", tuple(desk.wanted.values())) if desk.wanted else Step(text)


def understand(turn: Turn, earlier: Sequence[Turn], before: Understood, hints: Hints) -> Understood:
    """What ``turn`` asks, in the light of what was asked ``before``."""
    vocabulary = _vocabulary(frozenset(hints.fields))
    words = read_words(turn.text)
    found = find_subjects(turn.text, words, vocabulary)
    chosen = _chosen(words, found, list(entities(earlier[-1].lookups))) if before.open and earlier else None
    if chosen:
        found = [chosen]
    rest = [word for word in words if not any(s.start < word.end and word.start < s.end for s in found)]
    strange = tuple(word.text for word in rest if word.low.isalpha() and vocabulary.meant(word) is None)
    asked = what_is_asked(turn.text, rest, vocabulary, _years(turn.text, found, hints.today))
    goes_on = before.open or chosen is not None or _GOING_ON.match(turn.text) is not None
    asked = _completed(asked, before.asked, goes_on) or asked
    if not asked and found and not strange:
        asked = replace(asked, intents=("identity",))
    past = Desk(hints, [lookup for one in earlier for lookup in one.lookups], frozenset())
    subjects = tuple(found) or tuple(_settled(subject, past) for subject in before.subjects)
    now = Desk(hints, [*past.lookups, *turn.lookups], frozenset())
    unsettled = not subjects or any(len(now.find(subject)[0] or ()) != 1 for subject in subjects)
    return Understood(subjects, asked, strange, unsettled)


def _completed(asked: Asked, before: Asked, goes_on: bool) -> Asked | None:
    """What a question that ``goes_on`` leaves out: "and client 4021?", "what about Equifax", "and in 2024?"."""
    if not goes_on or not before or (asked and not asked.topics <= {"bureau", "bureaus"}):
        return None
    return replace(before, bureaus=asked.bureaus or before.bureaus, years=asked.years or before.years)


@lru_cache(maxsize=16)
def _vocabulary(concepts: frozenset[str]) -> Vocabulary:
    return Vocabulary(sorted(concepts - READ_CONCEPTS))


def _years(text: str, found: Sequence[Subject], today: str) -> tuple[str, ...]:
    years = [m[0] for m in _YEAR.finditer(text) if not any(s.start < m.end() and m.start() < s.end for s in found)]
    if (relative := _RELATIVE.search(text)) and today:
        years.append(str(int(today[:4]) - (relative[1].lower() in {"last", "previous"})))
    return tuple(dict.fromkeys(years))


def _chosen(words: Sequence[Word], found: Sequence[Subject], candidates: Sequence[Content]) -> Subject | None:
    """The one of the people listed before whom ``words`` tell from the others, by a value or by place in the list."""
    if len(candidates) < 2 or any(subject.by != "name" for subject in found):
        return None
    said = {word.low for word in words} - SMALL
    told = [set(re.findall(r"\w+", str(candidate.get("label", "")).lower())) for candidate in candidates]
    fits = [len((mine - set.intersection(*told)) & said) for mine in told]
    best = [at for at, fit in enumerate(fits) if fit and fit == max(fits)]
    places = [at for word in words if (at := _ORDINALS.get(word.low)) is not None and at < len(candidates)]
    if not any(fits) and places and len(words) <= _SHORT:
        best = places[:1]
    return _by_entity(candidates[best[0]], "the one chosen") if len(best) == 1 else None


def _settled(subject: Subject, past: Desk) -> Subject:
    """``subject`` by its entity, where an earlier search gave exactly one."""
    known, _ = past.find(subject)
    return _by_entity(known[0], subject.said) if known and len(known) == 1 else subject


def _by_entity(entity: Content, said: str) -> Subject:
    return Subject(said, "entity id", ((("entity_id", str(entity["entity_id"])),),))


def _answer(understood: Understood, desk: Desk) -> str:
    if not understood.asked:
        strange = f" I don't know what to make of “{' '.join(understood.strange[:6])}”." if understood.strange else ""
        return f"I didn't understand what you would like to know.{strange} {ABLE}"
    if not understood.subjects:
        return "Which customer do you mean? Please give an e-mail address, phone number, client ID or name."
    said = dict.fromkeys(_about(subject, understood.asked, desk) for subject in understood.subjects)
    return "\n\n".join([*filter(None, said), *(f"The look-up failed: {why}" for why in desk.failures)])


def _about(subject: Subject, asked: Asked, desk: Desk) -> str:
    found, total = desk.find(subject)
    if found is None and subject.searches[0][0][0] == "entity_id":
        found = [{"entity_id": subject.searches[0][0][1]}]  # so that all else is looked up at the same time
    if found is None:
        return ""
    fields = desk.hints.fields
    if not found:
        return f"No customer was found with the {subject.by} **{subject.said}**."
    if len(found) > 1:
        shown = bullets([identity.brief(entity, fields) for entity in found])
        more = f"\n\nThese are {len(found)} of {total}." if total > len(found) else ""
        return f"Several customers match the {subject.by} **{subject.said}**:\n{shown}{more}\n\nWhich one do you mean?"
    case = Case(desk, found[0], asked.bureaus, asked.years, asked.topics)
    parts = [BY_NAME[name].say(case) for name in asked.intents]
    parts += [identity.field(case, concept) for concept in asked.fields]
    between = "\n\n" if any("\n" in part for part in parts) else "\n"
    return f"{identity.name_of(found[0], fields)}\n\n{between.join(parts)}"
