"""What calls cost, and the caps on it; the day's sum shared through a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from support.models import NOW, Clock, model
from support.redis_server import RedisServer

from tilores_x.errors import BudgetExceeded
from tilores_x.llm.sharing import connect
from tilores_x.llm.spend import Spending, Tokens, cost_usd, tokens_of


@pytest.fixture(scope="module")
def server():
    with RedisServer() as running:
        yield running


async def spend(spending: Spending, usd: float, *, tenant: str = "acme", **options: float) -> None:
    async with spending.charge(tenant, expected_usd=usd, **options):
        pass


class TestTokens:
    def test_come_from_the_provider_where_it_sends_them(self):
        usage = {
            "input_tokens": 1000,
            "output_tokens": 50,
            "total_tokens": 1050,
            "input_token_details": {"cache_read": 600},
        }
        tokens = tokens_of(AIMessage("short", usage_metadata=usage), [HumanMessage("x")])
        assert tokens == Tokens(1000, 50, 600)
        spec = model("alpha:m", input_usd=1.0, cached_input_usd=0.1, output_usd=10.0)
        assert cost_usd(spec, tokens) == pytest.approx((400 * 1.0 + 600 * 0.1 + 50 * 10.0) / 1e6)

    @pytest.mark.parametrize("usage", [None, {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}])
    def test_are_counted_where_it_sends_none(self, usage):
        tokens = tokens_of(AIMessage("y" * 400, usage_metadata=usage), [HumanMessage("x" * 4000)])
        assert tokens.counted
        assert 950 <= tokens.input <= 1050
        assert 95 <= tokens.output <= 115

    def test_tools_are_counted_as_well(self):
        tool = {"type": "function", "function": {"name": "search", "description": "d" * 2000, "parameters": {}}}
        without = tokens_of(AIMessage("y"), [HumanMessage("x")])
        assert tokens_of(AIMessage("y"), [HumanMessage("x")], [tool]).input > without.input + 400

    def test_cost_nothing_known_without_a_price(self):
        assert cost_usd(model("alpha:m"), Tokens(1, 1)) is None


class TestQuestion:
    async def test_cap_stops_the_call_that_would_pass_it(self):
        spending = Spending(max_question_usd=0.01)
        await spend(spending, 0.004, spent_usd=0.006)
        with pytest.raises(BudgetExceeded, match=r"0\.0060 USD.*0\.0041 USD.*0\.0100 USD"):
            await spend(spending, 0.0041, spent_usd=0.006)

    async def test_the_lower_of_two_caps_holds(self):
        spending = Spending(max_question_usd=0.01)
        with pytest.raises(BudgetExceeded):
            await spend(spending, 0.006, max_usd=0.005)
        with pytest.raises(BudgetExceeded):
            await spend(spending, 0.02, max_usd=0.05)

    async def test_without_caps_anything_goes(self):
        spending = Spending()
        await spend(spending, 1000.0)
        async with spending.charge("acme", expected_usd=None):
            pass

    @pytest.mark.parametrize("caps", [{"max_question_usd": 1.0}, {"max_day_usd": 1.0}])
    async def test_an_unknown_price_fits_under_no_cap(self, caps):
        with pytest.raises(BudgetExceeded, match="price"):
            async with Spending(**caps).charge("acme", expected_usd=None):
                raise AssertionError("must not be called")


@pytest.fixture(params=["alone", "shared"])
async def redis(request, server):
    if request.param == "alone":
        yield None
        return
    client = connect(server.url)
    await client.flushall()
    yield client
    await client.aclose()


class TestDay:
    async def test_cap_counts_what_calls_really_cost(self, redis):
        spending = Spending(max_day_usd=1.0, redis=redis, clock=Clock())
        async with spending.charge("acme", expected_usd=0.9) as charge:
            charge.usd = 0.2
        assert await spending.day_usd("acme") == pytest.approx(0.2)
        await spend(spending, 0.8)
        with pytest.raises(BudgetExceeded, match=r"1\.00 USD is the most for a day.*1\.0000 USD are spent.*2027-01-16"):
            await spend(spending, 0.01)
        assert await spending.day_usd("acme") == pytest.approx(1.0)

    async def test_tenants_are_apart_and_a_new_day_begins_at_midnight(self, redis):
        clock = Clock()
        spending = Spending(max_day_usd=1.0, redis=redis, clock=clock)
        await spend(spending, 1.0)
        await spend(spending, 1.0, tenant="other")
        with pytest.raises(BudgetExceeded):
            await spend(spending, 0.5)
        clock.now += 24 * 3600
        await spend(spending, 1.0)

    async def test_questions_at_the_same_time_can_not_all_take_the_last_money(self, redis):
        spending = Spending(max_day_usd=1.0, redis=redis, clock=Clock())
        under_way, refused = [], 0

        async def ask() -> None:
            nonlocal refused
            try:
                async with spending.charge("acme", expected_usd=0.3):
                    under_way.append(1)
                    await asyncio.sleep(0.01)
            except BudgetExceeded:
                refused += 1

        await asyncio.gather(*(ask() for _ in range(10)))
        assert (len(under_way), refused) == (3, 7)
        assert await spending.day_usd("acme") == pytest.approx(0.9)

    async def test_a_call_that_fails_settles_what_it_cost(self, redis):
        spending = Spending(max_day_usd=1.0, redis=redis, clock=Clock())

        async def failing() -> None:
            async with spending.charge("acme", expected_usd=0.5) as charge:
                charge.usd = 0.0
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await failing()
        assert await spending.day_usd("acme") == 0.0


class TestSharing:
    async def test_the_cap_holds_for_all_workers_together(self, server):
        clock = Clock(NOW + 1e6)
        ours, theirs = connect(server.url), connect(server.url)
        one = Spending(max_day_usd=1.0, redis=ours, clock=clock)
        two = Spending(max_day_usd=1.0, redis=theirs, clock=clock)
        await spend(one, 0.7)
        with pytest.raises(BudgetExceeded):
            await spend(two, 0.7)
        assert await two.day_usd("acme") == pytest.approx(0.7)
        assert not any(b"acme" in key for key in await ours.keys()), "a tenant's name stays out of Redis"
        assert all([await ours.ttl(key) > 0 for key in await ours.keys()])
        await ours.aclose()
        await theirs.aclose()

    async def test_without_redis_each_worker_holds_to_the_cap_by_itself(self):
        with RedisServer() as server:
            client = connect(server.url)
            spending = Spending(max_day_usd=1.0, redis=client, clock=Clock())
            await spend(spending, 0.6)
            server.stop()
            await spend(spending, 0.3)
            with pytest.raises(BudgetExceeded):
                await spend(spending, 0.3)
            await client.aclose()
