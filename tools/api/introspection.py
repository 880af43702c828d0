"""The reply to an introspection query, made walkable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

#: How deep a record's nested types are followed; deeper fields can't be asked for.
DEEPEST = 8

_JSON_TYPES = {"Int": "integer", "Float": "number", "Boolean": "boolean"}

TypeRef = Mapping[str, Any]
Leaf = tuple[str, str, str]
Parameter = tuple[str, str, str, Mapping[str, Any]]


class Unwrapped(NamedTuple):
    """The innermost named type, how many lists stand around it, and whether null is forbidden outermost."""

    name: str
    kind: str
    lists: int
    required: bool


class Introspection:
    """Reads ``__schema``; names what is missing as None or False, never raises for it."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._types: dict[str, Mapping[str, Any]] = {known["name"]: known for known in schema["types"]}
        self._fields = {
            name: {field["name"]: field for field in known.get("fields") or known.get("inputFields") or ()}
            for name, known in self._types.items()
        }
        query = (schema.get("queryType") or {}).get("name")
        mutation = (schema.get("mutationType") or {}).get("name")
        self._roots = {query: "Query", mutation: "Mutation"}

    def has(self, name: str) -> bool:
        type_name, _, field = name.partition(".")
        actual = next((real for real, role in self._roots.items() if role == type_name), type_name)
        return field in self._fields.get(actual or "", {})

    def type_of(self, type_name: str, field: str) -> str | None:
        """The innermost type of an type's field."""
        found = self._fields.get(type_name, {}).get(field)
        return unwrap(found["type"]).name if found else None

    def leaves(self, type_name: str) -> tuple[list[Leaf], list[str]]:
        """(path, scalar type, description) of every value below an object type, and the paths of what contains them."""
        fields: list[Leaf] = []
        containers: list[str] = []
        self._walk(type_name, "", (), fields, containers)
        return fields, containers

    def _walk(
        self, type_name: str, prefix: str, seen: tuple[str, ...], fields: list[Leaf], containers: list[str]
    ) -> None:
        for name, field in self._fields.get(type_name, {}).items():
            if any(unwrap(argument["type"]).required for argument in field.get("args") or ()):
                continue
            inner = unwrap(field["type"])
            path = ".".join([*([prefix] if prefix else []), name, *["*"] * inner.lists])
            if inner.kind in ("OBJECT", "INTERFACE"):
                if inner.name in seen or len(seen) >= DEEPEST:
                    continue
                containers.append(path.removesuffix(".*"))
                if path.endswith(".*"):
                    containers.append(path)
                self._walk(inner.name, path, (*seen, type_name), fields, containers)
            elif inner.kind in ("SCALAR", "ENUM"):
                fields.append((path, inner.name, (field.get("description") or "").strip()))
                if inner.lists:
                    containers.append(path.removesuffix(".*"))

    def parameters(self, type_name: str) -> Iterator[Parameter]:
        """(name, innermost type, description, JSON schema) of every field of an input type."""
        for name, field in self._fields.get(type_name, {}).items():
            description = (field.get("description") or "").strip()
            yield name, unwrap(field["type"]).name, description, self._shape(field["type"], description, 0)

    def _shape(self, ref: TypeRef, description: str, depth: int) -> dict[str, Any]:
        inner = unwrap(ref)
        shape: dict[str, Any] = {"type": _JSON_TYPES.get(inner.name, "string")}
        if inner.kind == "ENUM":
            shape["enum"] = [value["name"] for value in self._types[inner.name].get("enumValues") or ()]
        elif inner.kind == "INPUT_OBJECT":
            fields = self._fields.get(inner.name, {}) if depth < DEEPEST else {}
            shape = {
                "type": "object",
                "properties": {
                    name: self._shape(field["type"], (field.get("description") or "").strip(), depth + 1)
                    for name, field in fields.items()
                },
                "additionalProperties": False,
            }
        for _ in range(inner.lists):
            shape = {"type": "array", "items": shape}
        if description:
            shape["description"] = description
        return shape

    def capabilities(self, *, without: str) -> frozenset[str]:
        """``Type.field`` and ``Type.field(argument)`` of every type but the record's own."""
        found = set()
        for type_name, fields in self._fields.items():
            if type_name.startswith("__") or type_name == without:
                continue
            role = self._roots.get(type_name, type_name)
            for name, field in fields.items():
                found.add(f"{role}.{name}")
                found.update(f"{role}.{name}({argument['name']})" for argument in field.get("args") or ())
        return frozenset(found)


def unwrap(ref: TypeRef) -> Unwrapped:
    """Take a type reference apart."""
    required = ref["kind"] == "NON_NULL"
    lists = 0
    while ref.get("ofType"):
        lists += ref["kind"] == "LIST"
        ref = ref["ofType"]
    return Unwrapped(ref["name"] or "", ref["kind"], lists, required)
