"""The tools of one instance as LangChain tools: built once, async only, content for the model, evidence beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, NoReturn

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, ValidationError

from tilores_x.errors import InstanceError, ToolFailed
from tilores_x.settings import Settings
from tilores_x.tools import calculate, entity, explain, insights, search
from tilores_x.tools.access import Access
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.schema import InstanceSchema, discover
from tilores_x.tools.compact import Content, dumps
from tilores_x.tools.fields.concepts import Concepts
from tilores_x.tools.fields.hints import load_hints
from tilores_x.tools.fields.policy import FieldPolicy
from tilores_x.tools.foresight import foreseeing
from tilores_x.tools.records import Evidence

Done = tuple[Content, Evidence]


class Toolbox:
    """The tools of one instance.

    A call that can't work as asked (ToolFailed, bad arguments) comes back as a ToolMessage with status "error" and
    ``{"ok": false, "error": …}``; every other error is raised.

    Raises:
        InstanceError: the instance has no recordInsights, which every tool rests on.
    """

    def __init__(self, client: TiloresClient, schema: InstanceSchema, concepts: Concepts, policy: FieldPolicy) -> None:
        if not schema.has(
            "Entity.recordInsights", "RecordInsights.filter", "RecordInsights.sort", "RecordInsights.limit"
        ):
            raise InstanceError("This Tilores instance is too old: it has no recordInsights. Have it updated.")
        self.client, self.schema, self.concepts, self.policy = client, schema, concepts, policy
        self._access = Access(client, schema, concepts, policy)
        self._tools = self._built()

    @classmethod
    async def open(cls, client: TiloresClient, settings: Settings) -> Toolbox:
        """Read the instance's schema and the operator's field hints.

        Raises:
            ConfigError: the hints can't be used, or it is no Tilores instance.
            TiloresXError: as ``TiloresClient.execute`` raises.
        """
        schema = await discover(client, settings.cache_dir)
        hints = load_hints(settings.fields)
        return cls(client, schema, Concepts.find(schema, hints), FieldPolicy.of(schema, hints))

    def foreseeing(self, asked: Sequence[Mapping[str, Any]]) -> AbstractContextManager[None]:
        """Searches inside bring these calls of ``tilores_insights`` along (arguments without an entity), so that they
        are answered at once for the person found; one that can't work is left out."""
        lookups = []
        for arguments in asked:
            with suppress(ToolFailed):
                lookups.append(insights.lookup_of(self._access, _parsed(insights.InsightsArguments, arguments)))
        return foreseeing(lookups)

    def tools(self) -> list[BaseTool]:
        return list(self._tools)

    def _built(self) -> list[BaseTool]:
        access = self._access

        async def run_search(**arguments: Any) -> Done:
            return await search.search(access, arguments)

        async def run_entity(**arguments: Any) -> Done:
            return await entity.entity(access, _parsed(entity.EntityArguments, arguments))

        async def run_insights(**arguments: Any) -> Done:
            return await insights.insights(access, _parsed(insights.InsightsArguments, arguments))

        async def run_explain(**arguments: Any) -> Done:
            return await explain.explain(access, _parsed(explain.ExplainArguments, arguments))

        async def run_calculate(**arguments: Any) -> Done:
            return await calculate.calculate(_parsed(calculate.CalculateArguments, arguments))

        return [
            _tool(search.NAME, search.DESCRIPTION, search.args_schema(access), run_search),
            _tool(entity.NAME, entity.DESCRIPTION, _schema_of(entity.EntityArguments), run_entity),
            _tool(insights.NAME, insights.DESCRIPTION, _schema_of(insights.InsightsArguments), run_insights),
            _tool(explain.NAME, explain.DESCRIPTION, _schema_of(explain.ExplainArguments), run_explain),
            _tool(calculate.NAME, calculate.DESCRIPTION, _schema_of(calculate.CalculateArguments), run_calculate),
        ]


def _tool(name: str, description: str, args_schema: dict[str, Any], run: Callable[..., Awaitable[Done]]) -> BaseTool:
    async def call(**arguments: Any) -> tuple[str, Evidence]:
        try:
            content, evidence = await run(**arguments)
        except ToolFailed as failed:
            raise ToolException(str(failed)) from failed
        return dumps(content), evidence

    return StructuredTool(
        name=name,
        description=description,
        args_schema=args_schema,
        coroutine=call,
        func=None,
        response_format="content_and_artifact",
        handle_tool_error=lambda error: dumps({"ok": False, "error": str(error)}),
    )


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of ``model`` with its parts written out, as not every provider follows references."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def inlined(value: Any) -> Any:
        if isinstance(value, Mapping):
            if "$ref" in value:
                return inlined(parts[value["$ref"].rpartition("/")[2]])
            return {key: inlined(part) for key, part in value.items() if key != "title" or not isinstance(part, str)}
        return [inlined(part) for part in value] if isinstance(value, list) else value

    return {**inlined(schema), "title": model.__name__}


def _parsed(model: type[BaseModel], arguments: Mapping[str, Any]) -> Any:
    try:
        return model.model_validate({name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    said = []
    for problem in error.errors(include_url=False, include_input=False)[:5]:
        where = ".".join(str(part) for part in problem["loc"])
        said.append(f"{where}: {problem['msg']}" if where else problem["msg"])
    raise ToolFailed("The arguments don't fit. " + "; ".join(said) + ".")
