"""What of a traced run may leave: its shape and its times, never what was asked, found or answered.

An allow-list, since a block-list forgets: exception texts, metadata, tags, stream events and dictionary keys can all
hold personal data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN: dict[str, Any] = {"hidden": "set TILORES_TRACE_CONTENT=true to trace contents"}

_METADATA = re.compile(r"(?:langgraph|ls)_\w+|checkpoint_ns|revision_id|lc_versions")
_PARAMETERS = frozenset(
    {"model", "model_name", "_type", "temperature", "max_tokens", "max_completion_tokens", "stream"}
)
_TAG = re.compile(r"(?:seq|graph|map|langsmith|langgraph):[\w:.-]*")
_CLASS = re.compile(r"\s*([A-Za-z_][\w.]{0,80})")
_USAGE = ("input_tokens", "output_tokens", "total_tokens")


def redacted(run: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a run, as LangSmith's client takes them, without anything that a person said or a record holds."""
    safe = dict(run)
    if run.get("inputs"):
        safe["inputs"] = HIDDEN
    if outputs := run.get("outputs"):
        # Of models alone: what counts tokens adds them up, and nodes carry the same messages again.
        safe["outputs"] = HIDDEN | (usage_of(outputs) if "generations" in outputs else {})
    if run.get("error"):
        safe["error"] = error_class(str(run["error"]))
    if run.get("extra"):
        safe["extra"] = _extra(run["extra"])
    if run.get("tags"):
        safe["tags"] = [tag for tag in run["tags"] if _TAG.fullmatch(str(tag))]
    if run.get("events"):
        safe["events"] = [{key: event[key] for key in ("name", "time") if key in event} for event in run["events"]]
    safe.pop("serialized", None)
    safe.pop("attachments", None)
    return safe


def error_class(text: str) -> str:
    """The class of the exception that ``text`` tells of; tracers write ``Name('message')`` and then the traceback."""
    match = _CLASS.match(text)
    return match[1] if match else "Error"


def pseudonym(value: object) -> str:
    """A short hash: the same for the same value, and not to be read back at a glance."""
    return hashlib.blake2s(str(value).encode("utf-8", "replace"), digest_size=6).hexdigest()


def usage_of(outputs: object) -> dict[str, Any]:
    """The token counts in a model's outputs, where there are any."""
    for found in _dictionaries(outputs, depth=8):
        usage = found.get("usage_metadata")
        if isinstance(usage, Mapping):
            return {"usage_metadata": {name: usage[name] for name in _USAGE if isinstance(usage.get(name), int)}}
    return {}


def _extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    metadata = extra.get("metadata") or {}
    safe: dict[str, Any] = {"metadata": {key: value for key, value in metadata.items() if _METADATA.fullmatch(key)}}
    if thread := metadata.get("thread_id"):
        safe["metadata"]["thread_id"] = pseudonym(thread)
    parameters = extra.get("invocation_params") or {}
    if kept := {key: value for key, value in parameters.items() if key in _PARAMETERS}:
        safe["invocation_params"] = kept
    return safe


def _dictionaries(value: object, depth: int) -> Iterable[Mapping[str, Any]]:
    if depth == 0:
        return
    if isinstance(value, Mapping):
        yield value
        for part in value.values():
            yield from _dictionaries(part, depth - 1)
    elif isinstance(value, list | tuple):
        for part in value[:4]:
            yield from _dictionaries(part, depth - 1)
    elif hasattr(value, "usage_metadata"):
        yield {"usage_metadata": value.usage_metadata}
