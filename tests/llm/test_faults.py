"""Every way a provider can fail, before and after the first token, through each provider's client and our own path."""

from __future__ import annotations

import pytest
from support.clients import CLIENTS, KEY, PROVIDERS, Clients, Heard, clients, environ
from support.provider import Provider
from support.wire import Fault, Script, html, refused

from tilores_x.errors import AccessDenied, DeadlineExceeded, ModelUnavailable, QuestionError
from tilores_x.llm.health import Outcome

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("short_pauses")]

TEXT = "one two three four five six"
OTHER = "cerebras"

BEFORE = {
    **{f"{fault}-without-head": Script(TEXT, fault=fault) for fault in (Fault.RESET, Fault.STALL)},
    **{f"{fault}-after-head": Script(TEXT, fault=fault, headers_first=True) for fault in Fault},
    "429": refused(429, headers={"retry-after": "30"}),
    "429-event": Script(TEXT, fault=Fault.ERROR_EVENT, error={"message": "x", "code": "rate_limit_exceeded"}),
    "500": refused(500),
    "503": refused(503),
    "408": refused(408),
    "401": refused(401),
    "403": refused(403),
    "404": refused(404, code="model_not_found"),
    "400": refused(400, code="context_length_exceeded"),
    "413": refused(413),
    "html-200": html(),
    "html-502": html(502),
    "json-200": Script(body='{"detail": "no stream here"}'),
    "empty-200": Script(body="", content_type="text/event-stream"),
    "not-chunks": Script(body='data: {"foo": 1}\n\ndata: [1]\n\n', content_type="text/event-stream"),
}
OUTCOMES = {
    "429": Outcome.LIMITED,
    "429-event": Outcome.LIMITED,
    "401": Outcome.DENIED,
    "403": Outcome.DENIED,
    "404": Outcome.UNKNOWN_MODEL,
    "400": Outcome.REFUSED,
    "413": Outcome.REFUSED,
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", BEFORE)
async def test_before_the_first_token_another_model_answers_and_nobody_notices(
    provider: Provider, made: Clients, client: str, fault: str
) -> None:
    kind, name = client.split("-")
    provider.then(BEFORE[fault])
    provider.always(Script("Another model's answer."))
    heard = Heard()
    at = made.calling(stock=kind == "stock", deadline_s=0.9 if "stall" in fault else 20)
    called = await at.ask(name, OTHER, config={"callbacks": [heard]})
    outcome = OUTCOMES.get(fault, Outcome.FAILED)
    if fault == "429-event" and client == "stock-fireworks":
        outcome = Outcome.FAILED  # its SDK drops error events: the stream just ends
    assert called.message.content == "Another model's answer."
    assert [(one["model"], one["outcome"]) for one in called.attempts] == [
        (f"{name}:m", outcome),
        (f"{OTHER}:m", "ok"),
    ]
    assert heard.text == "Another model's answer."
    assert provider.counts.requests == 2
    assert KEY not in str(called.attempts)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", Fault)
async def test_after_the_first_token_there_is_an_error_and_never_a_second_answer(
    provider: Provider, made: Clients, client: str, fault: Fault
) -> None:
    kind, name = client.split("-")
    provider.then(Script(TEXT, fault=fault, after=3))
    provider.always(Script("Another model's answer."))
    heard = Heard()
    attempts: list = []
    at = made.calling(stock=kind == "stock", deadline_s=0.9 if fault is Fault.STALL else 20)
    with pytest.raises(ModelUnavailable, match=f"{name}:m broke off in the middle of its answer"):
        await at.ask(name, OTHER, config={"callbacks": [heard]}, attempts=attempts)
    assert heard.text == "one two three"
    assert [one["model"] for one in attempts] == [f"{name}:m"]
    assert attempts[0]["first_token_s"] is not None
    assert attempts[0]["output_tokens"] > 0
    assert provider.counts.requests == 1
    assert at.health.snapshot().models[f"{name}:m"].failure_share == 1


async def test_an_unreachable_provider_is_passed_over(provider: Provider) -> None:
    nobody_there = {f"{name.upper()}_BASE_URL": "http://127.0.0.1:9/openai/v1" for name in PROVIDERS}
    async with clients(environ(provider) | nobody_there) as made:
        for client in CLIENTS:
            kind, name = client.split("-")
            called = await made.calling(stock=kind == "stock").ask(name, OTHER)
            assert [one["outcome"] for one in called.attempts] == ["failed", "ok"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (refused(401, f"Incorrect API key provided: {KEY}"), AccessDenied),
        (refused(403, f"{KEY} may not"), AccessDenied),
        (refused(400, "Jane Roe, born 1970, is no valid question"), QuestionError),
        (refused(500, f"upstream said {KEY} about Jane Roe"), ModelUnavailable),
        (html(503), ModelUnavailable),
    ],
)
async def test_errors_hold_neither_the_key_nor_what_the_provider_says(
    provider: Provider, made: Clients, client: str, reply: Script, raised: type[Exception]
) -> None:
    kind, name = client.split("-")
    provider.always(reply)
    heard = Heard()
    at = made.calling(stock=kind == "stock")
    with pytest.raises(raised) as caught:
        await at.ask(name, config={"callbacks": [heard]})
    assert "Jane Roe" not in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert heard.errors
    assert not any(KEY in repr(told) for told in heard.errors)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_provider_that_hangs_never_outlasts_the_deadline(
    provider: Provider, made: Clients, client: str
) -> None:
    kind, name = client.split("-")
    provider.always(Script(TEXT, fault=Fault.STALL))
    at = made.calling(stock=kind == "stock", deadline_s=0.3)
    with pytest.raises(DeadlineExceeded, match="TILORES_DEADLINE_S"):
        await at.ask(name)
    assert provider.counts.requests == 1
