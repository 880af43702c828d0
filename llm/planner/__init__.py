"""The rule-based planner: a chat model made of a grammar, for when there is no language model.

A question's words become topics (``lexicon``, ``words``), topics become intents (``intents``), and each intent is one
function that asks the ``desk`` for figures and words them (``account``, ``credit``, ``identity``). ``plan`` holds it
together; ``model`` makes a LangChain chat model of it.
"""

from tilores_x.llm.planner.model import RulePlanner

__all__ = ["RulePlanner"]
