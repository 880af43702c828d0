"""``python -m tilores_x.serving`` is ``tilores-x``."""

from tilores_x.serving.cli import main

main()
