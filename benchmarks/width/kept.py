"""The sandbox with its answers kept, so that one core can stand for a hosted instance under load.

Each field at the top of a request is worked out by the sandbox once, whatever its alias and whatever travels with it;
from then on its answer is told again, after the same latency. What the sandbox itself takes for a search (half a
millisecond to five) would else be measured, and be the limit at a thousand searches a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
from cachetools import LRUCache
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    NameNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

Root = tuple[str, str, tuple[str, ...]]
"""Alias, the operation with this field alone and with no alias, the names of the variables in it."""


class _Seen(Visitor):
    """The variables, named anew in the order of their use, and the names of the fragments."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: dict[str, str] = {}
        self.fragments: list[str] = []

    def enter_variable(self, node: VariableNode, *_: Any) -> VariableNode:
        name = self.variables.setdefault(node.name.value, f"v{len(self.variables)}")
        return VariableNode(name=NameNode(value=name))

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        if node.name.value not in self.fragments:
            self.fragments.append(node.name.value)


@dataclass
class Kept:
    """An ASGI application over that of the sandbox. ``flood`` is a body that answers every request, where it is set."""

    app: Any
    asked: int = 0
    flood: bytes | None = None
    _roots: LRUCache[str, list[Root] | None] = field(default_factory=lambda: LRUCache(2_000))
    _answers: dict[tuple[str, bytes], bytes] = field(default_factory=dict)

    async def answer(self, headers: dict[bytes, bytes], raw: bytes) -> bytes | None:
        """The body, or None where the sandbox must answer: what it refuses, and what is no plain query."""
        sandbox = self.app.state.sandbox
        scopes = sandbox.tokens.scopes(headers.get(b"authorization", b"").decode())
        asked = orjson.loads(raw)
        roots = self._read(asked["query"])
        if scopes is None or roots is None:
            return None
        if self.flood is not None:
            return self.flood
        variables = asked.get("variables") or {}
        parts = []
        for alias, text, names in roots:
            given = {f"v{at}": variables[name] for at, name in enumerate(names) if name in variables}
            key = (text, orjson.dumps(given, option=orjson.OPT_SORT_KEYS))
            if (known := self._answers.get(key)) is None:
                operation = sandbox.operations.get(text, None)
                found = orjson.loads(sandbox._execute(operation, given, scopes, None).body)
                if found.get("errors"):
                    return None
                (value,) = found["data"].values()
                known = self._answers[key] = orjson.dumps(value)
            parts.append(b'"%s":%s' % (alias.encode(), known))
        await asyncio.sleep(sandbox.latency_s + sandbox.alias_latency_s * len(roots))
        return b'{"data":{%s}}' % b",".join(parts)

    def _read(self, text: str) -> list[Root] | None:
        if text not in self._roots:
            self._roots[text] = _roots(text)
        return self._roots[text]


def _roots(text: str) -> list[Root] | None:
    definitions = parse(text).definitions
    fragments = {one.name.value: one for one in definitions if isinstance(one, FragmentDefinitionNode)}
    (operation, *others) = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
    if others or operation.operation is not OperationType.QUERY:
        return None
    types = {one.variable.name.value: print_ast(one.type) for one in operation.variable_definitions or ()}
    roots = []
    for node in operation.selection_set.selections:
        if not isinstance(node, FieldNode) or node.name.value.startswith("__"):
            return None
        seen = _Seen()
        alone = print_ast(visit(node, seen)).removeprefix(f"{node.alias.value}: " if node.alias else "")
        for name in seen.fragments:  # those in fragments are added on the way
            alone_fragment = print_ast(visit(fragments[name], seen))
            alone = f"{alone}\n{alone_fragment}"
        field, *shared = alone.split("\nfragment ")
        declared = ", ".join(f"${new}: {types[old]}" for old, new in seen.variables.items())
        head = f"query({declared})" if declared else "query"
        alias = (node.alias or node.name).value
        whole = "\nfragment ".join([f"{head} {{ {field} }}", *shared])
        roots.append((alias, whole, tuple(seen.variables)))
    return roots
