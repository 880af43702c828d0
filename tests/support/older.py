"""The sandbox as an older Tilores: without what later versions brought."""

from __future__ import annotations

from typing import Any

from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app

#: What came over time, newest last (tilores_api.md, section 1).
LATER = (
    "Query.entityByRecord", "SearchInput.considerRecords", "EntityInput.considerRecords", "Entity.edgeInsights",
    "SearchInput.page", "SearchInput.pageSize", "Entity.consistency", "Mutation.submitWithPreview", "Entity.score",
    "Entity.hitScore", "SearchInput.searchRules", "Query.metrics", "SearchInput.sort", "SearchOutput.totalCount",
)  # fmt: skip


async def older_app(name: str, without: tuple[str, ...] = LATER) -> Any:
    """The sandbox of an instance whose schema lacks these fields."""
    instance = load_instance(name)
    app = await create_app(instance)
    for field in without:
        owner, _, gone = field.partition(".")
        fields = instance.schema.type_map[owner].fields  # type: ignore[attr-defined]
        del fields[gone]
    return app
