"""The ways of asking: each opens its clients once and then answers questions, with one brain behind all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from width.questions import SEARCH, WHOLE

Ask = Callable[[str], Awaitable[str]]
Where = dict[str, str]
"""api_url, token_url, client_id and client_secret of the sandbox, base_url of the provider, cache_dir."""

MODEL = "gpt-6-luna"
RULES = "You answer questions about customers. Look each of them up with the tool, then answer in a sentence each."
FIELDS = ("id", "CLIENT_ID", "FIRST_NAME", "LAST_NAME", "EMAIL", "STATUS", "STATUS_DATE", "PRODUCT_NAME")
DOCUMENT = (
    "query search($params: SearchParams!) { search(input: {parameters: $params}) "
    f"{{ entities {{ id hits records {{ {' '.join(FIELDS)} }} }} }} }}"
)
TEXT = {"type": "string"}
TOOL = {
    "type": "function",
    "function": {
        "name": SEARCH,
        "description": "Find a customer by e-mail address or number.",
        "parameters": {"type": "object", "properties": {"EMAIL": TEXT, "CLIENT_ID": TEXT}},
    },
}


def _opening(question: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": RULES}, {"role": "user", "content": question}]


# ------------------------------------------------------------------------------------------------- the official SDK


@asynccontextmanager
async def sdk_loop(where: Where, read: Callable[[Any], str] = json.dumps) -> AsyncIterator[Ask]:
    """One search after the other, as its examples do; ``read`` makes of what was found the text for the model."""
    async with sdk(where, lambda search, asked: [search(one) for one in asked], read) as ask:
        yield ask


@asynccontextmanager
async def sdk_threads(where: Where) -> AsyncIterator[Ask]:
    with ThreadPoolExecutor(64) as pool:
        async with sdk(where, lambda search, asked: list(pool.map(search, asked))) as ask:
            yield ask


@asynccontextmanager
async def sdk(
    where: Where,
    run: Callable[[Callable[[str], str], list[str]], list[str]],
    read: Callable[[Any], str] = json.dumps,
    fields: Sequence[str] = FIELDS,
) -> AsyncIterator[Ask]:
    from openai import OpenAI
    from tilores import TiloresAPI
    from tilores.conversion import pydantic_model_to_option_model
    from tilores.helpers import PydanticFactory

    api = TiloresAPI(**{name: where[name] for name in ("api_url", "token_url", "client_id", "client_secret")})
    models = PydanticFactory(api.schema).generate()
    selection = pydantic_model_to_option_model(models["Record"]).model_validate(dict.fromkeys(fields, True))
    client = OpenAI(base_url=where["base_url"], api_key="none", max_retries=0)

    def search(arguments: str) -> str:
        found = api.search(selection, models["SearchParams"].model_validate(json.loads(arguments)))
        return read(found["data"]["search"])

    def answer(question: str) -> str:
        messages: list[Any] = _opening(question)
        while True:
            done = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])  # type: ignore[list-item]
            said = done.choices[0].message
            if not said.tool_calls:
                return said.content or ""
            messages.append(said.model_dump(exclude_none=True))
            results = run(search, [call.function.arguments for call in said.tool_calls])  # type: ignore[union-attr]
            for call, result in zip(said.tool_calls, results, strict=True):
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    with ThreadPoolExecutor(256) as askers:
        loop = asyncio.get_running_loop()
        yield lambda question: loop.run_in_executor(askers, answer, question)


# ----------------------------------------------------------------------------------------------------- create_agent


@asynccontextmanager
async def agent(where: Where) -> AsyncIterator[Ask]:
    """LangChain's agent; its model's replies come whole, which costs it least."""
    async with _agent(where, streaming=False) as ask:
        yield ask


@asynccontextmanager
async def agent_streaming(where: Where) -> AsyncIterator[Ask]:
    async with _agent(where, streaming=True) as ask:
        yield ask


@asynccontextmanager
async def _agent(where: Where, *, streaming: bool) -> AsyncIterator[Ask]:
    import httpx
    from httpx_aiohttp import HttpxAiohttpClient
    from langchain.agents import create_agent
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        model=MODEL,
        base_url=where["base_url"],
        api_key="none",  # type: ignore[arg-type]
        max_retries=0,
        streaming=streaming,
        use_responses_api=False,
    )
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=30)
    async with HttpxAiohttpClient(limits=limits, timeout=60) as http:
        credentials = (where["client_id"], where["client_secret"])
        granted = await http.post(where["token_url"], auth=credentials, data={"grant_type": "client_credentials"})
        headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}

        @tool(SEARCH)
        async def search(EMAIL: str) -> str:  # noqa: N803
            """Find a customer by e-mail address."""
            asked = {"query": DOCUMENT, "variables": {"params": {"EMAIL": EMAIL}}}
            answer = await http.post(where["api_url"], json=asked, headers=headers)
            return orjson.dumps(orjson.loads(answer.content)["data"]["search"]).decode()

        graph = create_agent(model, tools=[search], system_prompt=RULES)

        async def ask(question: str) -> str:
            state = await graph.ainvoke({"messages": [("user", question)]})
            return str(state["messages"][-1].text)

        yield ask


# ------------------------------------------------------------------------------------------------------------- lean


@asynccontextmanager
async def lean(where: Where, document: str = DOCUMENT) -> AsyncIterator[Ask]:
    """asyncio and aiohttp, and nothing that a careful program would have: the limit."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        credentials = aiohttp.BasicAuth(where["client_id"], where["client_secret"])
        form = {"grant_type": "client_credentials"}
        async with session.post(where["token_url"], auth=credentials, data=form) as granted:
            token = (await granted.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        chat = {"Authorization": "Bearer none", "Content-Type": "application/json"}

        async def search(call: dict[str, Any]) -> dict[str, Any]:
            params = orjson.loads(call["function"]["arguments"])
            asked = orjson.dumps({"query": document, "variables": {"params": params}})
            async with session.post(where["api_url"], data=asked, headers=headers) as answer:
                found = orjson.loads(await answer.read())["data"]["search"]
            return {"role": "tool", "tool_call_id": call["id"], "content": orjson.dumps(found).decode()}

        async def say(messages: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
            body = orjson.dumps({"model": MODEL, "messages": messages, "tools": [TOOL], "stream": True})
            text, calls = [], []
            async with session.post(f"{where['base_url']}/chat/completions", data=body, headers=chat) as answer:
                rest = b""
                while piece := await answer.content.readany():
                    *events, rest = (rest + piece).split(b"\n\n")
                    for event in events:
                        if not event.startswith(b"data: {"):
                            continue
                        for choice in orjson.loads(event[6:])["choices"]:
                            text.append(choice["delta"].get("content") or "")
                            for part in choice["delta"].get("tool_calls") or ():
                                if part["index"] == len(calls):
                                    calls.append(part)
                                else:
                                    calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
            return "".join(text), calls

        async def ask(question: str) -> str:
            messages = _opening(question)
            while True:
                text, calls = await say(messages)
                if not calls:
                    return text
                messages.append({"role": "assistant", "content": None, "tool_calls": calls})
                messages += await asyncio.gather(*(search(call) for call in calls))

        yield ask


# ------------------------------------------------------------------------------------------------------------- ours


@asynccontextmanager
async def ours(where: Where) -> AsyncIterator[Ask]:
    """The whole pipeline by its Python API, with no cache: every question is new to it."""
    from tilores_x.graph.resources import Resources
    from tilores_x.serving.embed import Asker
    from tilores_x.settings import Settings

    settings = Settings(
        **{name: where[name] for name in ("api_url", "token_url", "client_id", "client_secret")},  # type: ignore[arg-type]
        model=f"openai:{MODEL}",
        cache="off",
        cache_dir=Path(where["cache_dir"]),
        deadline_s=60,
    )
    keys = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": where["base_url"]}
    async with await Resources.open(settings, keys) as resources, Asker.open(resources=resources) as asker:

        async def ask(question: str) -> str:
            return (await asker.ask(question))["reply"]

        yield ask


@asynccontextmanager
async def ours_whole(where: Where) -> AsyncIterator[Ask]:
    """Where the model names no fields: a profile of each customer is fetched, and given to it."""
    async with ours(where) as ask:
        yield lambda question: ask(f"{question} {WHOLE}")


RIVALS: dict[str, Callable[[Where], AbstractAsyncContextManager[Ask]]] = {
    "SDK, loop": sdk_loop,
    "SDK, threads": sdk_threads,
    "create_agent": agent,
    "create_agent, streaming": agent_streaming,
    "lean asyncio": lean,
    "tilores-x": ours,
    "tilores-x, whole profiles": ours_whole,
}
