"""A GraphQL request as it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tilores_x.errors import QuestionError


@dataclass(frozen=True, slots=True)
class Request:
    """``content`` is the body; ``lookups`` says how many fields of the query root it asks for."""

    document: str
    variables: Mapping[str, Any]
    content: bytes
    lookups: int = 1

    @classmethod
    def of(cls, document: str, variables: Mapping[str, Any], lookups: int = 1) -> Request:
        """
        Raises:
            QuestionError: the variables can't be written as JSON.
        """
        return cls(document, variables, as_json({"query": document, "variables": variables}), lookups)


def as_json(value: object) -> bytes:
    """
    Raises:
        QuestionError: ``value`` holds what JSON can't.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise QuestionError(
            "The request holds text that is no valid Unicode, or something else that JSON can't hold. Remove it."
        ) from error
