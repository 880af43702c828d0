"""What the official packages find in the sandbox, and how long a search takes with them and with our client.

    python benchmarks/official.py [--customers 100] [--write]

tilores-sdk and tilores-langchain run as they come from the package index, against a sandbox in a process of its own.
Each customer of the generator's ground truth is searched by e-mail with each in turn; right means: the entity found
holds that customer's records and no others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from typing import Any

from results import write_section

warnings.filterwarnings("ignore", module="tilores")  # written against pydantic 1

EMAIL = {"credit": "EMAIL", "people": "email"}
SEARCH = "query ($p: SearchParams!) { search(input: {parameters: $p}) { entities { id hits records { id } } } }"
PACKAGES = ("tilores-sdk", "tilores-langchain", "graphql-core")
Find = Callable[[str], list[dict[str, Any]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    given = parser.parse_args()
    rows = [row for instance in EMAIL for row in _measured(instance, given.customers)]
    head = "| instance | client | introspects | searches | right | entities with edges | ms per search, median |"
    table = "\n".join([head, "|---|---|---|---|---|---|---|", *rows])
    print(table)
    if given.write:
        write_section(
            "The official packages",
            "python benchmarks/official.py --write",
            table,
            {name: version(name) for name in PACKAGES},
        )


def _measured(instance: str, customers: int) -> Iterator[str]:
    from tilores_x.sandbox.instance import load_instance

    records = load_instance(instance).records_path
    assert records is not None
    truth = [json.loads(line) for line in (records.parent / "truth.jsonl").read_text("utf-8").splitlines()]
    known = [person for person in truth if person["notations"].get(EMAIL[instance])][:customers]
    with _sandbox(instance) as where, closing(asyncio.new_event_loop()) as loop, ExitStack() as closes:
        for name, (fields, find, edges) in _clients(instance, where, loop, closes).items():
            right, linked, took = 0, 0, []
            for person in known:
                began = time.perf_counter()
                found = find(person["notations"][EMAIL[instance]][0])
                took.append(time.perf_counter() - began)
                ids = [{record["id"] for record in entity["records"]} for entity in found]
                right += set(person["record_ids"]) in ids
                linked += bool(found and edges(found[0]["id"]))
            cells = (instance, name, f"{fields} record fields", len(known), right, linked)
            yield f"| {' | '.join(map(str, cells))} | {statistics.median(took) * 1000:.1f} |"


def _clients(
    instance: str, where: dict[str, str], loop: asyncio.AbstractEventLoop, closes: ExitStack
) -> dict[str, tuple[int, Find, Callable[[str], Any]]]:
    """Name -> how many record fields it sees, how it searches by e-mail, and how it lists edges."""
    import langchain.tools
    from langchain_core.tools import StructuredTool
    from tilores import TiloresAPI
    from tilores.conversion import pydantic_model_to_option_model
    from tilores.helpers import PydanticFactory

    langchain.tools.StructuredTool = StructuredTool  # where tilores-langchain 0.2 looks for it
    from tilores_langchain import TiloresTools

    api = TiloresAPI(**where)
    models = PydanticFactory(api.schema).generate()
    only_id = {"id": True}
    selection = pydantic_model_to_option_model(models["Record"]).model_validate(only_id)
    search, list_edges = (make() for make in TiloresTools(api).all())
    seen = len(api.schema.get_type("Record").fields)

    def sdk(email: str) -> list[dict[str, Any]]:
        parameters = models["SearchParams"].model_validate({EMAIL[instance]: email})
        return list(api.search(selection, parameters)["data"]["search"]["entities"])

    def tool(email: str) -> list[dict[str, Any]]:
        asked = {"recordFieldsToQuery": only_id, "searchParams": {EMAIL[instance]: email}}
        return list(search.invoke(asked)["data"]["search"]["entities"])

    ours, ours_edges = _ours(instance, where, loop, closes)
    return {
        "tilores-sdk": (seen, sdk, lambda entity: api.entity_edges(entity)["data"]["entity"]["entity"]["edges"]),
        "tilores-langchain": (
            seen, tool, lambda entity: list_edges.invoke({"entityID": entity})["data"]["entity"]["entity"]["edges"],
        ),
        "tilores-x": (seen, ours, ours_edges),
    }  # fmt: skip


def _ours(
    instance: str, where: dict[str, str], loop: asyncio.AbstractEventLoop, closes: ExitStack
) -> tuple[Find, Callable[[str], Any]]:
    from tilores_x.settings import Settings
    from tilores_x.tools.api.client import TiloresClient

    client = TiloresClient.from_settings(Settings.model_validate(where))
    closes.callback(lambda: loop.run_until_complete(client.aclose()))
    edges = "query ($id: ID!) { entity(input: {id: $id}) { entity { edges } } }"

    def run(document: str, variables: dict[str, Any]) -> dict[str, Any]:
        return dict(loop.run_until_complete(client.execute(document, variables)))

    return (
        lambda email: list(run(SEARCH, {"p": {EMAIL[instance]: email}})["search"]["entities"]),
        lambda entity: run(edges, {"id": entity})["entity"]["entity"]["edges"],
    )


@contextmanager
def _sandbox(instance: str) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "tilores_x.serving", "sandbox", "--instance", instance]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        try:
            yield json.loads(served.stdout.readline())
        finally:
            served.terminate()


if __name__ == "__main__":
    main()
