"""What is configured, what can be reached, what is wrong, and what to do about it."""

from __future__ import annotations

import os
import platform
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from tilores_x.errors import ConfigError, TiloresXError
from tilores_x.settings import Settings, load_settings

if TYPE_CHECKING:
    from tilores_x.tools.toolbox import Toolbox

#: Without these a question about a customer can hardly be answered.
WANTED_CONCEPTS = ("email", "phone", "first_name", "last_name")


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """One thing looked at. ``remedy`` says what to do, where something is to be done."""

    what: str
    state: State
    detail: str
    remedy: str = ""


async def examine() -> AsyncIterator[Finding]:
    """Look at everything in turn; a part that is wrong doesn't keep the others from being looked at."""
    yield Finding("versions", State.OK, _versions())
    try:
        settings = load_settings()
    except TiloresXError as error:
        yield Finding("settings", State.WRONG, str(error), "Set it right, or unset it.")
        return
    yield Finding("settings", State.OK, _set_variables(settings))
    async for finding in _tilores(settings):
        yield finding
    for finding in _models(settings):
        yield finding
    yield _tracing(settings)


def _versions() -> str:
    packages = ("tilores-x", "langgraph", "langchain-core")
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)])


def _set_variables(settings: Settings) -> str:
    names = sorted(f"TILORES_{name.upper()}" for name in settings.model_fields_set)
    return ", ".join(names) if names else "no TILORES_ variable is set: all defaults"


async def _tilores(settings: Settings) -> AsyncIterator[Finding]:
    from tilores_x.graph.resources import connected
    from tilores_x.tools.toolbox import Toolbox

    where = settings.api_url or f"the embedded sandbox, instance {settings.sandbox}"
    try:
        async with connected(settings) as client:
            toolbox = await Toolbox.open(client, settings)
            yield Finding("Tilores", State.OK, f"{where} answers")
            for finding in _fields(toolbox):
                yield finding
            yield await _assembly(toolbox)
            yield _pace(toolbox)
    except ConfigError as error:
        yield Finding("Tilores", State.WRONG, f"{where}: {error}")  # it names the variable itself
    except TiloresXError as error:
        yield Finding("Tilores", State.WRONG, f"{where}: {error}", "See TILORES_API_URL and its companions.")


def _fields(toolbox: Toolbox) -> Iterator[Finding]:
    from tilores_x.tools.fields.policy import Rule

    schema, concepts, policy = toolbox.schema, toolbox.concepts, toolbox.policy
    yield Finding(
        "schema", State.OK, f"{len(schema.record_fields)} fields, {len(schema.search_params)} search parameters"
    )
    unknown = [name for name in WANTED_CONCEPTS if name not in concepts]
    yield Finding(
        "meaning of fields",
        State.WARNING if unknown else State.OK,
        f"{len(concepts)} understood" + (f"; not found: {', '.join(unknown)}" if unknown else ""),
        "Name the fields in the file of TILORES_FIELDS, table [concepts]." if unknown else "",
    )
    rules = [policy.rule(path) for path in schema.by_path]
    never, masked = rules.count(Rule.NEVER), rules.count(Rule.MASKED)
    yield Finding("field policy", State.OK, f"{never} fields never asked for, {masked} masked")


async def _assembly(toolbox: Toolbox) -> Finding:
    try:
        status = await toolbox.client.assembly_status()
    except TiloresXError as error:
        return Finding("assembly", State.WARNING, str(error), "Not needed to answer questions.")
    if status["ready"]:
        return Finding("assembly", State.OK, "everything submitted is assembled")
    left = f", about {status['remaining_s']} s left" if status["remaining_s"] is not None else ""
    return Finding("assembly", State.WARNING, f"in progress{left}", "Answers may lack the newest records.")


def _pace(toolbox: Toolbox) -> Finding:
    report = toolbox.client.report()
    limits = (
        ("at most", f"{report['concurrency']} requests at once", report["concurrency_pinned"]),
        ("each given", f"{report['timeout_s']:g} s", report["timeout_pinned"]),
    )
    said = [f"{how} {what} ({'set' if pinned else 'to begin with'})" for how, what, pinned in limits]
    return Finding("lookups", State.OK, "; ".join([*said, report["batching_why"]]))


def _models(settings: Settings) -> Iterator[Finding]:
    from tilores_x.llm.catalog import LOCAL, ModelCatalog

    try:
        catalog = ModelCatalog.load(settings.models)
        pinned = catalog.resolve(settings.model, datetime.now(UTC).date()) if settings.model else None
    except TiloresXError as error:
        yield Finding("models", State.WRONG, str(error), "See TILORES_MODELS and TILORES_MODEL.")
        return
    configured = sorted(catalog.configured(os.environ) - {LOCAL})
    yield Finding(
        "models",
        State.OK if configured else State.WARNING,
        f"keys for {', '.join(configured)}" if configured else "no key: the rule-based planner answers",
        "" if configured else "Set GROQ_API_KEY, OPENAI_API_KEY, … to let a language model answer.",
    )
    if pinned:
        state = State.WARNING if pinned.warning else State.OK
        yield Finding("pinned model", state, pinned.warning or f"{pinned.model.name} answers every question")


def _tracing(settings: Settings) -> Finding:
    if os.environ.get("LANGSMITH_TRACING", "").lower() not in ("true", "1"):
        return Finding("tracing", State.OK, "off (LANGSMITH_TRACING=true turns LangSmith on)")
    content = "with questions and answers" if settings.trace_content else "without content"
    if not os.environ.get("LANGSMITH_API_KEY"):
        return Finding("tracing", State.WARNING, f"on, {content}, but without a key", "Set LANGSMITH_API_KEY.")
    return Finding("tracing", State.OK, f"on, {content}")
