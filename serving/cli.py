"""The command line, `tilores-x`: each command stands in its own file; this one gathers them and words their errors."""

from __future__ import annotations

import sys

import typer

from tilores_x.errors import TiloresXError, public_name
from tilores_x.serving import ask_cmd, cache_cmd, doctor_cmd, models_cmd, sandbox_cmd

app = typer.Typer(
    name="tilores-x",
    help="Answers questions about customers out of Tilores, with the records that prove each answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing help with rich takes longer than all else that --help does
    context_settings={"help_option_names": ["-h", "--help"]},
)

for commands in (ask_cmd, sandbox_cmd, doctor_cmd, models_cmd, cache_cmd):
    commands.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from tilores_x import __version__

        typer.echo(f"tilores-x {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """The entry point: errors of ours become one line on standard error and an exit code, never a traceback."""
    try:
        app()
    except TiloresXError as error:
        typer.secho(f"{_kind(error)}: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


def _kind(error: TiloresXError) -> str:
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in public_name(error))
    return words.strip().capitalize()
