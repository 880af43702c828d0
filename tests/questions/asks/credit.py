"""Scores, reports and what follows from them."""

from __future__ import annotations

import re

from questions.asks.scene import Scene, Wrong, ask
from questions.asks.wording import DOWN, UP, all_of, directed, missing, newest, with_bureau
from questions.reading import Reading
from questions.world import BUREAUS


@ask
def score(scene: Scene, reply: Reading) -> Wrong:
    """Each bureau's newest score, before any older one; a bureau that gave none is named as missing."""
    if not scene.who.scored:
        yield from missing(reply, r"score|report|bureau|credit", "a score")
        return
    for bureau in BUREAUS:
        if bureau in scene.who.scored:
            yield from newest(scene.who, reply, bureau)
        else:
            yield from missing(reply, bureau.casefold(), f"a score of {bureau}")


@ask
def bureau_score(scene: Scene, reply: Reading) -> Wrong:
    """The bureau's newest score, before any older one."""
    yield from newest(scene.who, reply, scene.given["bureau"])


@ask
def bureau_missing(scene: Scene, reply: Reading) -> Wrong:
    """Says that the bureau gave none. Other bureaus' scores may be added."""
    bureau = scene.given["missing_bureau"]
    yield from missing(reply, bureau.casefold(), f"a score of {bureau}")


@ask
def report_compare(scene: Scene, reply: Reading) -> Wrong:
    """The newest and the second newest score of the bureau; their difference too where the question asks for it. If a
    difference is given, its direction is right."""
    old, new = (score["value"] for score in scene.who.scores(scene.given["bureau"])[-2:])
    yield from all_of(reply, {"newest": new, "second newest": old})
    if re.search("difference|gap", scene.question) and not reply.has(abs(new - old)):
        yield f"doesn't give the difference of {abs(new - old)} points"
    if re.search("up or down|change", scene.question) and not (reply.has(abs(new - old)) or reply.says(f"{UP}|{DOWN}")):
        yield "doesn't say how it changed"
    if reply.has(abs(new - old)) and not directed(reply, new - old):
        yield f"gets the direction of {new - old:+} wrong"


@ask
def bureau_compare(scene: Scene, reply: Reading) -> Wrong:
    """Both bureaus' newest scores, each with its bureau; their difference too where the question asks for it."""
    one, other = scene.given["bureau"], scene.given["bureau_2"]
    yield from newest(scene.who, reply, one)
    yield from newest(scene.who, reply, other)
    gap = abs(scene.who.newest(one) - scene.who.newest(other))
    if re.search("difference|gap", scene.question) and not reply.has(gap):
        yield f"doesn't give the difference of {gap} points"


@ask
def bureau_compare_missing(scene: Scene, reply: Reading) -> Wrong:
    """The score of the bureau that has one; of the other one, that it is missing."""
    yield from newest(scene.who, reply, scene.given["bureau"])
    yield from bureau_missing(scene, reply)


@ask
def score_at_enrolment(scene: Scene, reply: Reading) -> Wrong:
    """Each bureau's first score, which came with enrolment."""
    for bureau in scene.who.scored:
        yield from with_bureau(reply, bureau, scene.who.scores(bureau)[0]["value"], "first", scene.who.scored)


@ask
def improvement(scene: Scene, reply: Reading) -> Wrong:
    """For each bureau with several scores, the points from the first to the newest, with the right direction."""
    for bureau in scene.who.scored:
        change = scene.who.change(bureau)
        if len(scene.who.scores(bureau)) < 2 or (change == 0 and reply.says("no change|unchanged|same")):
            continue
        if not reply.has(abs(change)):
            yield f"doesn't give the change of {change:+} points at {bureau}"
        elif change and not directed(reply, change):
            yield f"gets the direction of {change:+} points at {bureau} wrong"


@ask
def timeline(scene: Scene, reply: Reading) -> Wrong:
    """Every score of the bureau, with the days of the first and of the newest at least."""
    scores = scene.who.scores(scene.given["bureau"])
    for entry in scores:
        if not reply.has(entry["value"]):
            yield f"leaves out the score {entry['value']} of {entry['date']}"
    for entry in (scores[0], scores[-1]):
        if not reply.has_day(entry["date"]):
            yield f"leaves out the day {entry['date']}"


@ask
def utilization(scene: Scene, reply: Reading) -> Wrong:
    """Revolving utilization in the newest report that states it, in percent."""
    rate = scene.who.utilization
    if rate is None:
        yield from missing(reply, "utili|usage|report|bureau", "utilization")
    elif not reply.has(rate) or not reply.says(r"%|percent"):
        yield f"doesn't give the utilization of {rate} %"


@ask
def improve(scene: Scene, reply: Reading) -> Wrong:
    """A reason out of this customer's newest reports (in the bureau's words), or the utilization in percent: no general
    advice alone."""
    newest = {report["bureau"]: report["factors"] for report in scene.who.truth["reports"] if report["factors"]}
    factors = [factor for texts in newest.values() for factor in texts]
    rate = scene.who.utilization
    if not any(factor.casefold() in reply.low for factor in factors) and not (rate is not None and reply.has(rate)):
        yield "names no reason out of the customer's reports"
