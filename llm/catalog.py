"""Which models there are: ``models.toml``, with the operator's own file laid over it."""

from __future__ import annotations

import difflib
import logging
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from tilores_x.errors import ConfigError
from tilores_x.llm.specs import (
    LOCAL,
    PLANNER,
    ClientKind,
    Frozen,
    ModelSpec,
    Priority,
    ProviderSpec,
    Source,
    Status,
)

__all__ = [
    "LOCAL",
    "PLANNER",
    "ClientKind",
    "ModelCatalog",
    "ModelSpec",
    "Priority",
    "ProviderSpec",
    "Resolved",
    "Source",
    "Status",
]

_log = logging.getLogger(__name__)
_Entry = dict[str, Any]
_Kind = TypeVar("_Kind", bound=Frozen)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for today, with a warning where that is another model than the one named."""

    model: ModelSpec
    warning: str | None = None

    def announce(self) -> None:
        """Log the warning, once in the life of the process."""
        if self.warning:
            _announce(self.warning)


@lru_cache(maxsize=256)
def _announce(warning: str) -> None:
    _log.warning(warning)


class ModelCatalog:
    """All known models, providers and sources, in the order of the files. Not changed after it is made."""

    def __init__(
        self,
        providers: Mapping[str, ProviderSpec],
        models: Mapping[str, ModelSpec],
        sources: Mapping[str, Source] | None = None,
    ) -> None:
        self.providers = dict(providers)
        self.models = dict(models)
        self.sources = dict(sources or {})
        self.quality = _rated(self.models)

    @classmethod
    def load(cls, extra: Path | None = None) -> ModelCatalog:
        """The shipped catalogue, with the operator's file ``extra`` laid over it.

        An entry of ``extra`` that is in the shipped one already changes only what it says. ``status = "live"`` there
        also takes away the shutdown date and the replacement, for contracts that outlive them.

        Raises:
            ConfigError: a file can't be used; the message names the file, the entry and the key.
        """
        merge = _Merge()
        merge.add("models.toml", resources.files("tilores_x.llm").joinpath("models.toml").read_text("utf-8"))
        if extra is not None:
            try:
                text = extra.read_text("utf-8")
            except UnicodeDecodeError:
                raise ConfigError(f"{extra}: the models file is not UTF-8.") from None
            except OSError as error:
                raise ConfigError(f"{extra}: {error.strerror}. TILORES_MODELS must name a readable file.") from None
            merge.add(str(extra), text)
        return merge.result()

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self.models.values())

    def __len__(self) -> int:
        return len(self.models)

    def configured(self, environ: Mapping[str, str]) -> frozenset[str]:
        """The providers that can be called: their key is set, or they need none."""
        return frozenset(name for name, provider in self.providers.items() if provider.configured(environ))

    def find(self, name: str) -> ModelSpec | None:
        """The model called ``name``: ``provider:id``, or an id alone (the first in the files that bears it)."""
        return self.models.get(name) or next((model for model in self if model.id == name), None)

    def serving(self, model: ModelSpec, today: date) -> ModelSpec | None:
        """What serves ``model``'s name on ``today``: itself, or the end of its chain of replacements, or nothing."""
        seen = {model.name}
        while model.expired(today):
            after = self.models.get(model.replaced_by or "")
            if after is None or after.name in seen:
                return None
            seen.add(after.name)
            model = after
        return model

    def resolve(self, name: str, today: date) -> Resolved:
        """What ``name`` stands for on ``today``; a retired name is served by its replacement, with a warning.

        Raises:
            ConfigError: there is no such model, or it is retired and nothing replaces it.
        """
        model = self.find(name)
        if model is None:
            raise ConfigError(f"{name!r} is not in the catalogue of models.{self._near(name)}")
        serving = self.serving(model, today)
        if serving is model:
            return Resolved(model)
        retired = f"{model.name} is retired" + (f" since {model.shutdown}" if model.shutdown else "")
        if serving is None:
            raise ConfigError(f"{retired}, and nothing replaces it. Choose another model: `tilores-x models`.")
        return Resolved(serving, f"{retired}; {serving.name} answers in its place.")

    def _near(self, name: str) -> str:
        known = [*self.models, *(model.id for model in self)]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        return f" Did you mean {' or '.join(near)}?" if near else " `tilores-x models` lists them."


def _rated(models: Mapping[str, ModelSpec]) -> dict[str, float]:
    """Quality by name: the published index; where there is none, the best index among the models that it replaces.

    A provider names a replacement that is no worse. A model with neither is left out.
    """
    rated = {name: model.quality for name, model in models.items() if model.quality is not None}
    inherited: dict[str, float] = {}
    for model in models.values():
        seen = {model.name}
        index, after = model.quality, models.get(model.replaced_by or "")
        while index is not None and after is not None and after.name not in seen:
            seen.add(after.name)
            if after.quality is not None:
                break
            inherited[after.name] = max(index, inherited.get(after.name, 0.0))
            after = models.get(after.replaced_by or "")
    return inherited | rated


class _File(Frozen):
    """A file's outermost form; its entries are checked one by one, so that an error can name its entry."""

    providers: dict[str, _Entry] = Field(default_factory=dict)
    models: list[_Entry] = Field(default_factory=list)
    sources: dict[str, _Entry] = Field(default_factory=dict)


class _Merge:
    """Lays files over each other: an entry that is there already keeps what the later file leaves out."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._providers: dict[str, ProviderSpec] = {}
        self._models: dict[str, ModelSpec] = {}
        self._sources: dict[str, Source] = {}
        self._came_from: dict[str, str] = {}

    def add(self, file: str, text: str) -> None:
        try:
            content = _checked(_File, file, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file}: not valid TOML: {error}.") from None
        for name, entry in content.sources.items():
            self._sources[name] = _checked(Source, f"{file}: [sources.{name}]", entry)
        for name, entry in content.providers.items():
            entry = self._laid_over(f"provider {name}", entry)
            self._providers[name] = _checked(ProviderSpec, f"{file}: [providers.{name}]", {"name": name} | entry)
        for number, entry in enumerate(content.models, start=1):
            name = f"{entry.get('provider')}:{entry.get('id')}"
            self._add_model(name, f"{file}: model {number} ({name})", entry)

    def _add_model(self, name: str, where: str, entry: _Entry) -> None:
        if entry.get("status") == Status.LIVE:
            entry = {"shutdown": None, "replaced_by": None} | entry
        model = _checked(ModelSpec, where, self._laid_over(name, entry))
        if model.provider not in self._providers:
            raise ConfigError(f"{where}: provider: there is no [providers.{model.provider}].")
        for figure, source in model.sources.items():
            if source not in self._sources:
                raise ConfigError(f"{where}: sources.{figure}: there is no [sources.{source}].")
        self._models[name] = model
        self._came_from[name] = where

    def _laid_over(self, name: str, entry: _Entry) -> _Entry:
        self._entries[name] = self._entries.get(name, {}) | entry
        return self._entries[name]

    def result(self) -> ModelCatalog:
        for name, model in self._models.items():
            where = f"{self._came_from[name]}: replaced_by"
            if model.replaced_by is not None and model.replaced_by not in self._models:
                raise ConfigError(f"{where}: there is no model {model.replaced_by!r}.")
            seen, at = {name}, model
            while at.replaced_by is not None:
                if at.replaced_by in seen:
                    raise ConfigError(f"{where}: the replacements go in a circle.")
                seen.add(at.replaced_by)
                at = self._models[at.replaced_by]
        return ModelCatalog(self._providers, self._models, self._sources)


def _checked(kind: type[_Kind], where: str, entry: _Entry) -> _Kind:
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            key = ".".join(str(part) for part in problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{key}: {message}" if key else message)
        raise ConfigError(f"{where}: {'; '.join(problems)}.") from None
