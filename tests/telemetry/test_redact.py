from __future__ import annotations

import json
from datetime import UTC, datetime

from langchain_core.messages import AIMessage

from tilores_x.telemetry.redact import error_class, pseudonym, redacted

SECRETS = ("jane@example.com", "4021", "Doe", "415-555", "secret-key")


def run() -> dict[str, object]:
    return {
        "name": "think",
        "run_type": "llm",
        "start_time": datetime.now(UTC),
        "dotted_order": "20261123T",
        "serialized": {"kwargs": {"api_key": "secret-key"}},
        "inputs": {"messages": [{"content": "who is jane@example.com"}], "jane@example.com": 4021},
        "outputs": {
            "generations": [
                [
                    {
                        "text": "Doe",
                        "message": {
                            "kwargs": {
                                "content": "Doe",
                                "usage_metadata": {
                                    "input_tokens": 7,
                                    "output_tokens": 3,
                                    "total_tokens": 10,
                                    "note": "Doe",
                                },
                            }
                        },
                    }
                ]
            ]
        },
        "error": "ToolFailed('no Jane Doe, 415-555-1234')Traceback (most recent call last): jane@example.com",
        "tags": ["seq:step:1", "jane@example.com", "4021"],
        "events": [{"name": "new_token", "time": "t", "kwargs": {"token": "Doe"}}],
        "extra": {
            "metadata": {
                "langgraph_node": "think",
                "ls_model_name": "m",
                "thread_id": "jane@example.com",
                "customer": "4021",
            },
            "invocation_params": {"model": "m", "user": "jane@example.com"},
            "runtime": {"cwd": "Doe"},
        },
        "attachments": {"a": b"Doe"},
    }


def test_nothing_personal_is_left_anywhere() -> None:
    text = json.dumps(redacted(run()), default=str)
    assert [secret for secret in SECRETS if secret in text] == []


def test_shape_times_usage_and_classes_stay() -> None:
    safe = redacted(run())
    assert safe["name"] == "think"
    assert safe["dotted_order"] == "20261123T"
    assert safe["error"] == "ToolFailed"
    assert safe["outputs"]["usage_metadata"] == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    assert safe["events"] == [{"name": "new_token", "time": "t"}]
    assert safe["tags"] == ["seq:step:1"]
    assert safe["extra"]["metadata"]["langgraph_node"] == "think"
    assert safe["extra"]["metadata"]["thread_id"] == pseudonym("jane@example.com")
    assert safe["extra"]["invocation_params"] == {"model": "m"}


def test_the_run_itself_is_left_alone() -> None:
    original = run()
    before = json.dumps(original, default=str)
    redacted(original)
    assert json.dumps(original, default=str) == before


def test_usage_of_message_objects_is_found() -> None:
    message = AIMessage("Doe", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    outputs = {"generations": [[{"message": message}]]}
    assert redacted({"outputs": outputs})["outputs"]["usage_metadata"]["total_tokens"] == 3


def test_tokens_are_told_by_the_model_alone() -> None:
    message = AIMessage("Doe", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    safe = redacted({"inputs": {"messages": [message]}, "outputs": {"messages": [message]}})
    assert "usage_metadata" not in json.dumps(safe)


def test_absent_parts_stay_absent() -> None:
    assert redacted({"inputs": None, "outputs": {}, "error": None, "extra": None}) == {
        "inputs": None,
        "outputs": {},
        "error": None,
        "extra": None,
    }


def test_odd_error_texts() -> None:
    assert error_class("tilores_x.errors.ToolFailed: Doe") == "tilores_x.errors.ToolFailed"
    assert error_class("42 Doe") == "Error"
