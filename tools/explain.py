"""``tilores_explain``: why these records are one person, and where they disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tilores_x.errors import TiloresRefused, ToolFailed
from tilores_x.tools.access import Access, check_text
from tilores_x.tools.api.lookup import Lookup
from tilores_x.tools.compact import Content, fitted
from tilores_x.tools.facts import FactsQuery
from tilores_x.tools.fields.concepts import IDENTITY
from tilores_x.tools.records import Evidence, evidence

NAME = "tilores_explain"
#: Records of an entity up to which links are asked for; their number grows with its square.
MOST_LINKED = 1500
_TYPES = {"input": "EntityInput!"}

DESCRIPTION = """\
Explain why the records of an entity are one person: `rules` (how many pairs of records each rule links), `edges` \
(which pairs, by which rules), `duplicates` (records that say the same as another), `conflicts` (identity fields of \
which the records hold different values). `record_ids` narrows edges and duplicates to those records."""


class ExplainArguments(BaseModel):
    """Arguments of ``tilores_explain``."""

    model_config = ConfigDict(extra="forbid")

    entity_id: str
    record_ids: list[str] | None = Field(None, description="Only what touches these records")


async def explain(access: Access, arguments: ExplainArguments) -> tuple[Content, Evidence]:
    """Content and evidence of one call.

    Raises:
        ToolFailed: the entity doesn't exist.
    """
    check_text(arguments.model_dump())
    facts = access.once((NAME, "identity"), lambda: _identity(access))
    entity, whole = await _entity(access, arguments.entity_id, facts.text)
    rules, edges = _edges(entity)
    wanted = set(arguments.record_ids or ())
    pairs = [edge for edge in edges if not wanted or wanted & {edge["a"], edge["b"]}]
    duplicates = {
        original: copies
        for original, copies in (entity.get("duplicates") or {}).items()
        if not wanted or wanted & {original, *copies}
    }
    read, _ = facts.read(entity["recordInsights"])
    conflicts = {field: values for field, values in read.items() if len(values) > 1}
    content: Content = {
        "ok": True,
        "entity_id": arguments.entity_id,
        "records": entity["recordInsights"]["count"],
        "rules": rules,
        "edges": pairs,
        "duplicates": duplicates,
        "conflicts": {
            field: [{"value": value["value"], "record_ids": value["record_ids"]} for value in values]
            for field, values in conflicts.items()
        },
    }
    if not whole:
        content["left_out"] = "the edges between the records, as they are too many"
    steps: list[Callable[[Content], str | None]] = [partial(_fewer_edges, most=most) for most in (60, 30, 10)]
    steps += [partial(_fewer_duplicates, most=20), partial(_fewer_conflicts, most=5), partial(_fewer_edges, most=3)]
    fitted(content, [*steps, partial(_fewer_duplicates, most=3), partial(_fewer_conflicts, most=2)])
    shown = evidence(NAME, arguments.model_dump(exclude_none=True))
    shown["facts"] = facts.facts(arguments.entity_id, {field: conflicts[field] for field in content["conflicts"]})
    copies = sum(len(found) for found in duplicates.values())
    figures: dict[str, int] = {
        "records": content["records"],
        "duplicate records": copies,
        **({"linked pairs": len(edges)} if whole else {}),
        **{f"pairs linked by {rule}": count for rule, count in rules.items()},
    }
    shown["figures"] = [
        {"name": name, "value": value, "unit": None, "facts": [], "count": value} for name, value in figures.items()
    ]
    shown["note"] = content.get("left_out")
    return content, shown


def _identity(access: Access) -> FactsQuery:
    return FactsQuery(access, [path for _, path in access.concept_paths(IDENTITY, flat=True)], unmasked=True)


async def _entity(access: Access, entity_id: str, text: str) -> tuple[Mapping[str, Any], bool]:
    """The entity, and whether its edges are there: an entity of very many records has more than Tilores sends."""
    has = access.schema.has
    insights = (
        "edgeInsights { frequencyDistribution(direction: DESC) { value frequency } }"
        if has("Entity.edgeInsights")
        else ""
    )

    def asked(edges: str) -> Lookup:
        rest = f"{edges} duplicates recordInsights {{ count {text} }}"
        return Lookup(f"entity(input: $input) {{ entity {{ id {rest} }} }}", {"input": {"id": entity_id}}, _TYPES)

    whole = access.sizes.get(entity_id, 0) <= MOST_LINKED
    try:
        found = await access.client.look_up(asked(f"edges {insights}" if whole else ""))
    except TiloresRefused as refused:
        if "large" not in str(refused):
            raise
        whole = False
        found = await access.client.look_up(asked(insights))
    entity: Mapping[str, Any] | None = found["entity"]
    if entity is None:
        raise ToolFailed(f"No entity has the id {entity_id!r}. Take one from tilores_search.")
    return entity, whole


def _edges(entity: Mapping[str, Any]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """How many pairs each rule links, and the pairs with all their rules; an edge reads ``a:b:rule``."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for edge in entity.get("edges") or ():
        a, b, rule = edge.split(":", 2)
        pairs.setdefault((a, b), []).append(rule)
    if "edgeInsights" in entity:
        rules = {entry["value"]: entry["frequency"] for entry in entity["edgeInsights"]["frequencyDistribution"]}
    else:
        rules = dict(Counter(rule for held in pairs.values() for rule in held).most_common())
    return rules, [{"a": a, "b": b, "rules": held} for (a, b), held in pairs.items()]


def _fewer_edges(content: Content, most: int) -> str | None:
    dropped = len(content["edges"]) - most
    del content["edges"][most:]
    return f"all but {most} of the linked pairs" if dropped > 0 else None


def _fewer_duplicates(content: Content, most: int) -> str | None:
    kept = dict(list(content["duplicates"].items())[:most])
    dropped = len(content["duplicates"]) - len(kept)
    content["duplicates"] = {original: copies[:most] for original, copies in kept.items()}
    return f"{dropped} more duplicates" if dropped > 0 else None


def _fewer_conflicts(content: Content, most: int) -> str | None:
    cut = [field for field, values in content["conflicts"].items() if len(values) > most]
    content["conflicts"] = {field: values[:most] for field, values in content["conflicts"].items()}
    return f"further values of {', '.join(cut)}" if cut else None
