"""The catalogue: what is shipped, what the operator lays over it, and what becomes of retired names."""

from __future__ import annotations

import logging
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from tilores_x.errors import ConfigError
from tilores_x.llm.catalog import PLANNER, ClientKind, ModelCatalog, Status

WRITTEN = date(2026, 11, 23)
"""The day on which the shipped figures were read."""


@pytest.fixture(scope="module")
def shipped() -> ModelCatalog:
    return ModelCatalog.load()


@pytest.fixture
def own(tmp_path: Path):
    """Writes an operator's file and loads the catalogue with it."""
    numbers = count()

    def load(text: str) -> ModelCatalog:
        file = tmp_path / f"models{next(numbers)}.toml"
        file.write_text(text, "utf-8")
        return ModelCatalog.load(file)

    return load


class TestShipped:
    def test_holds_every_model_that_the_performance_plan_names(self, shipped):
        plan = [
            "groq:llama-3.3-70b-specdec",
            "groq:llama-3.3-70b-versatile",
            "groq:llama-3.2-90b-text-preview",
            "groq:mixtral-8x7b-32768",
            "openai:gpt-4o",
            "openai:gpt-4o-mini",
            "deepseek:deepseek-chat",
        ]
        assert set(plan) <= set(shipped.models)
        providers = {model.provider for model in shipped if not model.expired(WRITTEN)}
        assert providers == {"groq", "openai", "deepseek", "fireworks", "cerebras", "local"}

    def test_says_where_each_figure_was_read_and_when(self, shipped):
        figures = {
            "price": ("input_usd", "cached_input_usd", "output_usd"),
            "speed": ("tokens_per_s",),
            "ttft": ("ttft_s",),
            "quality": ("quality",),
            "context": ("context_tokens", "max_output_tokens"),
            "status": ("shutdown",),
        }
        for model in shipped:
            for figure, fields in figures.items():
                given = any(getattr(model, field) is not None for field in fields)
                assert model.local or given <= (figure in model.sources), (model.name, figure)
        assert all(source.page and source.read <= WRITTEN for source in shipped.sources.values())

    def test_no_source_is_left_over(self, shipped):
        assert {source for model in shipped for source in model.sources.values()} == set(shipped.sources)

    def test_every_model_that_is_shut_down_has_a_replacement_that_calls_tools(self, shipped):
        for model in shipped:
            if model.shutdown or model.status is Status.RETIRED:
                serving = shipped.serving(model, date(2027, 6, 1))
                assert serving is not None, model.name
                assert serving.tools, model.name

    def test_reads_keys_and_endpoints_from_the_usual_variables(self, shipped):
        for name in ("groq", "openai", "deepseek", "fireworks", "cerebras"):
            environ = {f"{name.upper()}_API_KEY": "k", f"{name.upper()}_BASE_URL": "http://127.0.0.1:1/v1"}
            assert shipped.configured(environ) == {name, "local"}
            assert shipped.providers[name].key(environ) == "k"
            assert shipped.providers[name].endpoint(environ) == "http://127.0.0.1:1/v1"
            assert shipped.providers[name].endpoint({}).startswith("https://")
            assert shipped.configured({f"{name.upper()}_API_KEY": ""}) == {"local"}

    def test_the_planner_costs_nothing_and_needs_no_key(self, shipped):
        planner = shipped.models[PLANNER]
        assert planner.local
        assert planner.cost_usd(10_000, 10_000) == 0
        assert shipped.providers["local"].configured({})


class TestRetired:
    @pytest.mark.parametrize(
        ("name", "serving"),
        [
            ("groq:llama-3.3-70b-versatile", "groq:openai/gpt-oss-120b"),
            ("mixtral-8x7b-32768", "groq:openai/gpt-oss-120b"),
            ("llama-3.2-90b-text-preview", "groq:openai/gpt-oss-120b"),
            ("llama-3.1-8b-instant", "groq:openai/gpt-oss-20b"),
            ("deepseek-chat", "deepseek:deepseek-flash"),
        ],
    )
    def test_names_are_served_by_the_end_of_their_chain_with_a_warning(self, shipped, name, serving):
        resolved = shipped.resolve(name, WRITTEN)
        assert resolved.model.name == serving
        assert name.partition(":")[2] in resolved.warning or name in resolved.warning
        assert serving in resolved.warning

    def test_a_date_that_has_passed_retires_a_model(self, shipped):
        assert shipped.resolve("gpt-4o", date(2027, 1, 13)).model.id == "gpt-4o"
        assert shipped.resolve("gpt-4o", date(2027, 1, 13)).warning is None
        resolved = shipped.resolve("gpt-4o", date(2027, 1, 14))
        assert resolved.model.name == "openai:gpt-6-luna"
        assert "2027-01-14" in resolved.warning

    def test_the_warning_is_logged_once(self, shipped, caplog):
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                shipped.resolve("groq:llama-3.3-70b-specdec", WRITTEN).announce()
                shipped.resolve("groq:openai/gpt-oss-20b", WRITTEN).announce()
        assert [record.getMessage() for record in caplog.records] == [
            "groq:llama-3.3-70b-specdec is retired since 2025-04-14; groq:openai/gpt-oss-120b answers in its place."
        ]

    def test_what_nothing_replaces_is_an_error(self, own):
        models = own('[[models]]\nprovider = "groq"\nid = "gone"\nstatus = "retired"')
        with pytest.raises(ConfigError, match="groq:gone is retired, and nothing replaces it"):
            models.resolve("groq:gone", WRITTEN)

    def test_an_unknown_name_is_an_error_that_names_near_ones(self, shipped):
        with pytest.raises(ConfigError, match=r"gpt-oss-12b.*Did you mean .*gpt-oss-120b"):
            shipped.resolve("groq:openai/gpt-oss-12b", WRITTEN)


class TestOwnFile:
    def test_adds_servers_and_models(self, own):
        models = own(
            """
            [providers.ollama]
            base_url = "http://127.0.0.1:11434/v1"

            [providers.vllm]
            base_url = "http://127.0.0.1:8000/v1"
            key_variable = "VLLM_API_KEY"

            [[models]]
            provider = "ollama"
            id = "qwen3:8b"
            context_tokens = 32768
            input_usd = 0
            output_usd = 0
            """
        )
        assert models.configured({}) == {"local", "ollama"}
        assert models.configured({"VLLM_API_KEY": "k"}) == {"local", "ollama", "vllm"}
        assert models.find("ollama:qwen3:8b") is models.find("qwen3:8b")
        assert models.providers["ollama"].client is ClientKind.COMPATIBLE

    def test_changes_only_what_it_says(self, own, shipped):
        models = own('[[models]]\nprovider = "openai"\nid = "gpt-6-luna"\ninput_usd = 0.07')
        before, after = shipped.models["openai:gpt-6-luna"], models.models["openai:gpt-6-luna"]
        assert after == before.model_copy(update={"input_usd": 0.07})
        assert list(models.models) == list(shipped.models)

    def test_keeps_alive_what_a_contract_keeps_alive(self, own):
        models = own('[[models]]\nprovider = "groq"\nid = "llama-3.3-70b-versatile"\nstatus = "live"')
        assert models.resolve("llama-3.3-70b-versatile", WRITTEN).model.id == "llama-3.3-70b-versatile"
        assert models.resolve("mixtral-8x7b-32768", WRITTEN).model.id == "llama-3.3-70b-versatile"

    def test_moves_a_provider_elsewhere(self, own):
        models = own('[providers.groq]\nbase_url = "https://proxy.example/v1"')
        assert models.providers["groq"].endpoint({}) == "https://proxy.example/v1"
        assert models.providers["groq"].key_variable == "GROQ_API_KEY"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[providers]\nx = \ny = 1", "not valid TOML.*line 2"),
            ("colour = 3", "colour: Extra inputs"),
            ('[[models]]\nid = "m"', r"model 1 \(None:m\): provider: Field required"),
            (
                '[[models]]\nprovider = "groq"\nid = "a"\n[[models]]\nprovider = "groq"\nid = "m"\ninput_usd = -1',
                r"model 2 \(groq:m\): input_usd: .*greater than or equal to 0",
            ),
            ('[[models]]\nprovider = "groq"\nid = "m"\nspeed = 3', r"model 1 \(groq:m\): speed: Extra inputs"),
            ('[[models]]\nprovider = "groq"\nid = "m"\nshutdown = "soon"', r"\(groq:m\): shutdown: .*date"),
            ('[[models]]\nprovider = "nobody"\nid = "m"', r"provider: there is no \[providers.nobody\]"),
            ('[[models]]\nprovider = "groq"\nid = "m"\nsources = { price = "x" }', r"sources.price: .*\[sources.x\]"),
            (
                '[[models]]\nprovider = "groq"\nid = "m"\nreplaced_by = "groq:x"',
                "replaced_by: there is no model 'groq:x'",
            ),
            ('[[models]]\nprovider = "groq"\nid = "m"\nreplaced_by = "groq:m"', "replaced_by: .*circle"),
            ('[providers.mine]\nclient = "compatible"', r"\[providers.mine\]: base_url is needed"),
            ('[providers.mine]\nbase_url = "localhost:80"', r"\[providers.mine\]: base_url: "),
            ('[providers.mine]\nbase_url = "http://h"\nkey = "secret"', r"\[providers.mine\]: key: Extra inputs"),
        ],
    )
    def test_errors_name_the_file_the_entry_and_the_key(self, own, text, message):
        with pytest.raises(ConfigError, match=rf"models0\.toml: .*{message}") as raised:
            own(text)
        assert "secret" not in str(raised.value)

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path):
        with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file.*TILORES_MODELS"):
            ModelCatalog.load(tmp_path / "nowhere.toml")
        binary = tmp_path / "binary.toml"
        binary.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match=r"binary\.toml: .*UTF-8"):
            ModelCatalog.load(binary)


def test_a_replacement_without_an_index_counts_as_the_best_of_what_it_replaces(own):
    models = own(
        """
        [[models]]
        provider = "groq"
        id = "old"
        quality = 30
        replaced_by = "groq:older"
        [[models]]
        provider = "groq"
        id = "older"
        replaced_by = "groq:new"
        [[models]]
        provider = "groq"
        id = "other"
        quality = 20
        replaced_by = "groq:new"
        [[models]]
        provider = "groq"
        id = "new"
        """
    )
    assert models.quality["groq:new"] == 30
    assert models.quality["groq:other"] == 20


def test_cost_counts_cached_input_at_its_own_price(shipped):
    luna = shipped.models["openai:gpt-6-luna"]
    assert luna.cost_usd(1_000_000, 1_000_000) == pytest.approx(0.60)
    assert luna.cost_usd(1_000_000, 0, cached_input_tokens=1_000_000) == pytest.approx(0.01)
    assert luna.cost_usd(1_000_000, 0, cached_input_tokens=400_000) == pytest.approx(0.064)
    assert shipped.models["deepseek:deepseek-chat"].cost_usd(1, 1) is None
