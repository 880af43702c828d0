"""A small instance folder, and the sandbox over it, in process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from tilores_x.sandbox.instance import Instance, load_instance
from tilores_x.sandbox.server import create_app

SCHEMA = """
type Record {
  id: ID!
  email: String
  first_name: String
  last_name: String
  dob: String
  phone: String
  city: String
  amount: Float
  visits: Int
  active: Boolean
  seen_at: Time
  kind: Kind
  score: Score
  notes: [String!]
  extra: Any
}
enum Kind { CARD CALL }
type Score { value: String, history: [Score!], factor: [String] }
input RecordInput {
  id: ID!
  email: String
  first_name: String
  last_name: String
  dob: String
  phone: String
  city: String
  amount: Float
  visits: Int
  active: Boolean
  seen_at: Time
  kind: Kind
  score: ScoreInput
  notes: [String!]
  extra: Any
}
input ScoreInput { value: String, history: [ScoreInput!], factor: [String] }
input SearchParams {
  id: ID
  email: String
  first_name: String
  last_name: String
  dob: String
  phone: String
  city: String
}
"""

RULES = """
[search_sets]
strict = ["EMAIL"]

[duplicates]
ignore = ["seen_at"]

[[rule]]
id = "EMAIL"
match = [{ field = "email", how = "exact", transform = ["lowercase", "trim"] }]

[[rule]]
id = "NAME_DOB"
match = [{ field = "last_name", how = "similar", least = 0.88 }, { field = "dob", how = "date" }]

[[rule]]
id = "PHONE_NAME"
match = [{ field = "phone", how = "phone" }, { field = "first_name", how = "phonetic" }]

[[rule]]
id = "LAST_NAME"
link = false
alone = true
match = [{ field = "last_name", how = "similar", least = 0.9 }]

[[rule]]
id = "CITY"
link = false
match = [{ field = "city" }]
"""

PEOPLE = [
    {"id": "crm-1", "email": "ann@mail.example", "first_name": "Ann", "last_name": "Marlow", "dob": "1980-03-02"},
    {"id": "crm-2", "email": "ANN@mail.example ", "city": "Springfield"},
    {"id": "pay-1", "last_name": "Marlowe", "dob": "March 2, 1980", "amount": 12.5, "kind": "CARD"},
    {"id": "call-1", "first_name": "Anne", "phone": "(415) 555-0134", "seen_at": "2026-01-02T03:04:05Z"},
    {"id": "crm-3", "first_name": "Ann", "phone": "+1 415-555-0134", "email": "ann@mail.example", "kind": "CALL"},
    {"id": "crm-4", "email": "bob@mail.example", "first_name": "Bob", "last_name": "Tarrant", "city": "Springfield"},
    {"id": "bureau-1", "email": "bob@mail.example", "score": {"value": "710", "history": [{"value": "690"}]}},
    {"id": "crm-5", "last_name": "Quill", "city": "Shelbyville", "active": True, "visits": 3, "notes": ["a", "b"]},
]
CITIZENS = [
    {"id": f"c{n}", "email": f"c{n}@mail.example", "city": "Springfield", "visits": n, "notes": ["x" * 50]}
    for n in range(25)
]
"""As many as fill some pages."""

SEARCH = """query ($p: SearchParams!, $page: Int, $size: Int, $sort: SortCriteria, $rules: String, $only: [FilterCondition!]) {
  search(input: {parameters: $p, page: $page, pageSize: $size, sort: $sort, searchRules: $rules, considerRecords: $only}) {
    totalCount
    entities { id hits hitScore score consistency edges duplicates records { id } }
  }
}"""  # noqa: E501


def write_instance(
    folder: Path, records: Iterable[Mapping[str, Any]] = PEOPLE, *, schema: str = SCHEMA, rules: str = RULES
) -> Path:
    """An instance folder with these parts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.graphql").write_text(schema)
    (folder / "rules.toml").write_text(rules)
    (folder / "records.jsonl").write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return folder


@dataclass
class Client:
    """Speaks HTTP to a sandbox, in process or over the network."""

    http: httpx.AsyncClient
    token: str = ""

    async def fetch_token(self, scope: str = "") -> str:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        reply = await self.http.post("/oauth2/token", data=form, auth=("sandbox", "sandbox"))
        reply.raise_for_status()
        self.token = str(reply.json()["access_token"])
        return self.token

    async def post(self, query: str, **variables: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.post("/", json={"query": query, "variables": variables}, headers=headers)

    async def data(self, query: str, **variables: Any) -> Any:
        """The reply's data; anything else fails the test."""
        reply = await self.post(query, **variables)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert "errors" not in body, body
        return body["data"]

    async def ready(self) -> None:
        """Wait until everything submitted is assembled."""
        while (await self.data("{ metrics { assemblyStatus { state } } }"))["metrics"]["assemblyStatus"][
            "state"
        ] != "READY":
            pass


async def open_client(instance: Instance | Path, cache_dir: Path, **options: Any) -> Client:
    """A client, with a token for all scopes, of a sandbox in this process."""
    given = load_instance(instance) if isinstance(instance, Path) else instance
    app = await create_app(given, cache_dir=cache_dir, **options)
    client = Client(httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sandbox"))
    await client.fetch_token()
    return client


async def search(client: Client, parameters: dict[str, Any], **more: Any) -> Any:
    """What a search with `SEARCH` finds; ``more`` are its further variables."""
    return (await client.data(SEARCH, p=parameters, **more))["search"]
