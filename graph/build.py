"""The pipeline: nodes and edges, as in the picture.

::

              ┌── route ──┐
    START ────┤           ├──> think ⇄ act ──> answer ──> END
              └── seek  ──┘
"""

from __future__ import annotations

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from tilores_x.graph.ahead.speculation import Watched
from tilores_x.graph.context import Context
from tilores_x.graph.edges import after_answer, after_think
from tilores_x.graph.nodes.act import Act
from tilores_x.graph.nodes.answer import Answer
from tilores_x.graph.nodes.route import Route
from tilores_x.graph.nodes.seek import Seek
from tilores_x.graph.nodes.think import Think
from tilores_x.graph.resources import Resources
from tilores_x.graph.state import InputState, OutputState, State

NAME = "tilores_x"

Pipeline = CompiledStateGraph[State, Context, InputState, OutputState]


def build_graph(resources: Resources, checkpointer: BaseCheckpointSaver[str] | None = None) -> Pipeline:
    """The compiled graph over ``resources``; with a ``checkpointer`` it remembers conversations by thread."""
    graph = StateGraph(State, context_schema=Context, input_schema=InputState, output_schema=OutputState)
    graph.add_node("route", Watched(Route(resources), resources.ahead))
    graph.add_node("seek", Watched(Seek(resources), resources.ahead))
    graph.add_node("think", Watched(Think(resources), resources.ahead))
    graph.add_node("act", Watched(Act(resources), resources.ahead))
    graph.add_node("answer", Watched(Answer(resources), resources.ahead))

    graph.add_edge(START, "route")
    graph.add_edge(START, "seek")
    graph.add_edge(["route", "seek"], "think")
    graph.add_conditional_edges("think", after_think, ["act", "answer"])
    graph.add_edge("act", "think")
    graph.add_conditional_edges("answer", after_answer, ["think", END])
    return graph.compile(checkpointer=checkpointer, name=NAME)
