"""An instance is a folder: schema.graphql, rules.toml and records.jsonl. README.md beside this file describes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

import orjson
from graphql import GraphQLSchema

from tilores_x.errors import InstanceError
from tilores_x.sandbox.api.schema import build_instance_schema, check_path, record_check
from tilores_x.sandbox.engine.record import Record
from tilores_x.sandbox.engine.rules import RuleSet, load_rules

SHIPPED: Final = ("credit", "people")


@dataclass(frozen=True, slots=True)
class Instance:
    """What a folder says; ``schema`` is the whole GraphQL schema, the generic part included."""

    name: str
    schema_sdl: str
    rules: RuleSet
    records_path: Path | None
    schema: GraphQLSchema = field(repr=False, compare=False)

    def records(self) -> Iterator[Record]:
        """The records of the folder, each checked against the schema.

        Raises:
            InstanceError: a record can't be used; the message names file and line.
        """
        if self.records_path is None:
            return
        check = record_check(self.schema)
        try:
            with self.records_path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.isspace():
                        continue
                    try:
                        record = orjson.loads(line)
                    except orjson.JSONDecodeError as error:
                        raise InstanceError(f"{self.records_path}, line {number}: no valid JSON: {error}") from None
                    if problem := check(record):
                        raise InstanceError(f"{self.records_path}, line {number}: {problem}")
                    yield record
        except OSError as error:
            raise InstanceError(f"{self.records_path}: can't be read: {error.strerror}") from None

    def definition(self) -> str:
        """A digest of what decides how records are linked: schema and rules."""
        return sha256(self.schema_sdl.encode() + b"\0" + self.rules.model_dump_json().encode()).hexdigest()


def load_instance(name_or_dir: str | Path) -> Instance:
    """The shipped instance of that name, or the one in that folder.

    Raises:
        InstanceError: a part is missing or broken; the message names file, line or rule, and the remedy. Records are
            looked at when they are loaded.
    """
    folder = Path(name_or_dir)
    if str(name_or_dir) in SHIPPED:
        folder = Path(str(resources.files("tilores_x.sandbox").joinpath("instances", str(name_or_dir))))
    if not folder.is_dir():
        raise InstanceError(
            f"{name_or_dir} is neither a shipped instance ({', '.join(SHIPPED)}) nor a folder. A folder holds"
            " schema.graphql, rules.toml and records.jsonl."
        )
    for name in ("schema.graphql", "rules.toml", "records.jsonl"):
        if not (folder / name).is_file():
            hint = " An empty one is fine." if name == "records.jsonl" else ""
            raise InstanceError(f"{folder}: the file {name} is missing.{hint}")
    schema_path = folder / "schema.graphql"
    try:
        sdl = schema_path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InstanceError(f"{schema_path}: can't be read: {error}") from None
    schema = build_instance_schema(sdl, str(schema_path))
    rules = load_rules(folder / "rules.toml")
    _check_rules(rules, schema, folder / "rules.toml")
    return Instance(folder.name, sdl, rules, folder / "records.jsonl", schema)


def _check_rules(rules: RuleSet, schema: GraphQLSchema, path: Path) -> None:
    for rule in rules.rule:
        for matcher in rule.match:
            if problem := check_path(schema, matcher.field):
                raise InstanceError(f"{path}: rule {rule.id} names the field {matcher.field}: {problem}")
    for name in rules.duplicates.ignore:
        if problem := check_path(schema, name):
            raise InstanceError(f"{path}: duplicates.ignore names the field {name}: {problem}")
    if not rules.linking:
        raise InstanceError(f"{path}: no rule links records; at least one rule needs link = true.")
