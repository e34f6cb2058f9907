"""The application: its verbs, and what becomes of errors and signals.

Importing this module must stay cheap (``tlprobe --help`` answers at once): verbs import torch inside.
"""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from tlprobe.cli.examples import ORDER, example_of
from tlprobe.cli.typos import unknown_name
from tlprobe.errors import TlprobeError
from tlprobe.train.stopping import EXIT_CODE_OF

__all__ = ["app", "guarded_exit", "main", "run", "set_up_output", "whole_command"]

EXIT_USAGE = 2
_COMPLETION = "_TLPROBE_COMPLETE"
EXIT_RESOURCES = 6

app = typer.Typer(
    name="tlprobe",
    help="What did this pretrained network really transfer? Fine-tune ImageNet CNNs on audio, then probe them.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from tlprobe import __version__

        typer.echo(f"tlprobe {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before any verb; the help text is the application's own."""


class _Stopped(BaseException):
    """A stop signal outside a training. No KeyboardInterrupt: the option parser gives that a silent code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.

    Returns
    -------
    exit_code : int
        0 done, 1 internal, 2 usage, 3 data, 4 checkpoint, 5 diverged, 6 resources, 130 and 143 interrupted.
    """
    # Importing these registers their verbs.
    import tlprobe.cli.data
    import tlprobe.cli.doctor
    import tlprobe.cli.draw
    import tlprobe.cli.explain
    import tlprobe.cli.explain_verb
    import tlprobe.cli.export
    import tlprobe.cli.read
    import tlprobe.cli.report
    import tlprobe.cli.runs
    import tlprobe.cli.similarity
    import tlprobe.cli.study
    import tlprobe.cli.train
    import tlprobe.cli.transfer
    import tlprobe.cli.tune  # noqa: F401

    command = whole_command()
    if not arguments and _COMPLETION not in os.environ:  # a shell that completes a line gives none
        command.main(args=["--help"], prog_name="tlprobe", standalone_mode=False)
        return EXIT_USAGE
    return _with_signals(lambda given: command.main(args=given, prog_name="tlprobe", standalone_mode=False), arguments)


def whole_command() -> Any:
    """Return the command with its verbs in the order of their examples, each of which ends a verb's help."""
    command = typer.main.get_command(app)
    _end_with_example(command)
    verbs = command.commands  # type: ignore[attr-defined]  # those of a group
    ordered = {name: verbs[name] for name in ORDER}
    verbs.clear()
    verbs.update(ordered)
    return command


def _end_with_example(command: Any, path: str = "") -> None:
    for name, verb in getattr(command, "commands", {}).items():
        verb.epilog = example_of(f"{path}{name}")
        _end_with_example(verb, f"{path}{name} ")


def guarded_exit(call: Callable[[list[str]], object]) -> NoReturn:
    """Run a script's `call` on its arguments as a verb is run, and exit with its code."""
    sys.exit(_with_signals(call, sys.argv[1:]))


def set_up_output(*, quiet: bool) -> None:
    """Send the library's notes to standard error, and stay silent where asked to."""
    logger = logging.getLogger("tlprobe")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


def _with_signals(call: Callable[[list[str]], object], arguments: list[str]) -> int:
    previous = {number: signal.getsignal(number) for number in EXIT_CODE_OF}
    for number, handler in previous.items():
        if handler != signal.SIG_IGN:  # as nohup or a background job asked
            signal.signal(number, _on_signal)
    try:
        return _guarded(call, arguments)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        logging.getLogger("tlprobe").handlers.clear()


def _guarded(call: Callable[[list[str]], object], arguments: list[str]) -> int:
    debug = "--debug" in arguments
    try:
        result = call(arguments)
    except TlprobeError as error:
        return _fail(error, str(error), error.exit_code, debug=debug)
    except _Stopped as error:
        return _fail(error, _INTERRUPTED, error.exit_code, debug=debug)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _fail(error, _INTERRUPTED, EXIT_CODE_OF[signal.SIGINT], debug=debug)
    except typer.Exit as error:
        return error.exit_code
    except BrokenPipeError:  # `tlprobe ... | head`: nobody reads on; keep Python from writing at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError as error:
        return _fail(error, f"out of memory: {error}", EXIT_RESOURCES, debug=debug)
    except Exception as error:  # the last line of defence: one line for the user, the rest behind --debug
        code, text = _classify(error, arguments)
        return _fail(error, text, code, debug=debug)
    return result if isinstance(result, int) else 0


_INTERRUPTED = "interrupted; trainings that are finished are kept, and the same command finds them"


def _classify(error: Exception, arguments: list[str]) -> tuple[int, str]:
    if hasattr(error, "format_message"):  # a usage error of the option parser
        text = unknown_name(error) or error.format_message() or "no verb given; `tlprobe --help` lists them"
        context = getattr(error, "ctx", None)
        where = f" (see `{context.command_path} --help`)" if context is not None else ""
        return EXIT_USAGE, " ".join(text.split()) + _given(error, arguments) + where
    name, text = type(error).__name__, " ".join(str(error).split())
    if name in ("OutOfMemoryError", "AcceleratorError") or "can't allocate memory" in text:
        return EXIT_RESOURCES, f"out of memory: {text[:200]}; try a smaller --batch-size"
    if isinstance(error, OSError):  # no permission, a vanished disk, a name that is too long
        where = f"{error.filename}: " if error.filename else ""
        return EXIT_RESOURCES, f"{where}{error.strerror or text}"
    return 1, f"internal error, please report it: {name}: {text[:300]} (--debug shows where)"


def _given(error: Exception, arguments: list[str]) -> str:
    """Return the value that the option of a usage error had: the parser does not always say it."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
            if argument == option and following:
                return f"; given: {option} {following}"
            if argument.startswith(f"{option}="):
                return f"; given: {argument}"
    return ""


def _fail(error: BaseException, text: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    typer.echo(f"tlprobe: {text}", err=True)
    return code


def _on_signal(signum: int, frame: FrameType | None) -> NoReturn:
    raise _Stopped(EXIT_CODE_OF[signum])
