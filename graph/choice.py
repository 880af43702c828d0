"""A choice of models as plain data for the state, and back: a checkpoint holds names, never live things."""

from __future__ import annotations

from tilores_x.graph import state
from tilores_x.llm.catalog import ModelCatalog
from tilores_x.llm.choice import Candidate, Choice
from tilores_x.llm.specs import Priority


def as_plain(choice: Choice) -> state.Choice:
    return state.Choice(
        ordered=[
            state.Offer(
                model=offer.model.name,
                reason=offer.reason,
                expected_s=offer.expected_s,
                expected_usd=offer.expected_usd,
            )
            for offer in choice.ordered
        ],
        reason=choice.reason,
        priority=choice.priority.value,
        passed_over=[state.PassedOver(model=passed.model, why=passed.why) for passed in choice.passed_over],
        warning=choice.warning,
    )


def as_choice(plain: state.Choice, catalog: ModelCatalog) -> Choice:
    """The choice that ``plain`` names; a model that has left the catalogue since is left out."""
    ordered = tuple(
        Candidate(catalog.models[offer["model"]], offer["reason"], offer["expected_s"], offer["expected_usd"])
        for offer in plain["ordered"]
        if offer["model"] in catalog.models
    )
    return Choice(ordered, plain["reason"], Priority(plain["priority"]), (), plain["warning"])
