"""What was meant by a verb or an option that there is none of."""

import difflib
import re
from typing import Any

__all__ = ["suggested", "unknown_name"]

_LIKE = 0.75
_LIKE_A_VERB = 0.6  # of short words: fti
"""The least similarity to suggest a name; below it, --n-clip would be taken for --clip-s."""
_NO_VERB = re.compile(r"No such command (?P<quoted>.*)\.", re.DOTALL)


def unknown_name(error: Any) -> str | None:
    """Return what to say of a verb or an option that does not exist.

    Parameters
    ----------
    error : Exception
        A usage error of the option parser.

    Returns
    -------
    text : str or None
        With the name that is likest, or with all verbs where none is; None for an error of another kind.
    """
    context = getattr(error, "ctx", None)
    if context is None:
        return None
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        names = [name for param in context.command.params for name in (*param.opts, *param.secondary_opts)]
        flags = [name for name in (*names, *context.help_option_names) if name.startswith("--")]
        return f"no option '{option}'{suggested(option, flags)}"
    verbs = [name for name, verb in getattr(context.command, "commands", {}).items() if not verb.hidden]
    asked = _NO_VERB.match(error.message.partition(" Did you mean")[0])
    if asked is None or not verbs:
        return None
    of = f" of {context.command_path}" if context.parent is not None else ""
    choices = f"; choose from {', '.join(verbs)}"
    return f"no verb {asked['quoted']}{of}{suggested(asked['quoted'][1:-1], verbs) or choices}"


def suggested(name: str, names: list[str]) -> str:
    """Return a question for the likest of some names, to be put behind what is wrong; empty where none is like it."""
    by_word = {known.lstrip("-"): known for known in names}
    like = difflib.get_close_matches(
        name.lstrip("-").lower(), by_word, n=1, cutoff=_LIKE if name.startswith("-") else _LIKE_A_VERB
    )
    return f"; did you mean {by_word[like[0]]}?" if like else ""
