"""Progress bars: on a terminal, in a notebook, and nowhere else unless asked for.

In a notebook a bar is a widget where ipywidgets is installed, and a line of text where it is not.
"""

import sys
import warnings
from collections.abc import Iterable
from typing import Any, TypeVar, overload

from tqdm import TqdmWarning

with warnings.catch_warnings():  # in a notebook without ipywidgets: text does as well, and the reader need not act
    warnings.filterwarnings("ignore", "IProgress not found", TqdmWarning)
    from tqdm.auto import tqdm

__all__ = ["in_notebook", "progress_bar"]

Item = TypeVar("Item")


@overload
def progress_bar(items: Iterable[Item], *, show: bool | None, leave: bool = ..., **look: Any) -> "tqdm[Item]": ...


@overload
def progress_bar(items: None = ..., *, show: bool | None, leave: bool = ..., **look: Any) -> "tqdm[Any]": ...


def progress_bar(
    items: Iterable[Any] | None = None, *, show: bool | None, leave: bool = False, **look: Any
) -> "tqdm[Any]":
    """Return a progress bar over items, or one that is told of each step.

    Parameters
    ----------
    items : iterable, optional
        What is gone through.
    show : bool or None
        True and False switch the bar; None shows it on a terminal and in a notebook only.
    leave : bool
        Whether it stays when it is full.
    **look
        ``total``, ``desc``, ``unit``, ``initial``: as tqdm takes them.

    Examples
    --------
    >>> list(progress_bar("abc", show=False))
    ['a', 'b', 'c']
    """
    disable = None if show is None else not show  # None: tqdm looks for a terminal, which a notebook is not
    if show is None and in_notebook():
        disable = False
    return tqdm(items, leave=leave, disable=disable, **look)


def in_notebook() -> bool:
    """Say whether this process is the kernel of a notebook.

    Examples
    --------
    >>> in_notebook()
    False
    """
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)  # not imported: where it runs, it is there
    shell = get_ipython() if get_ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
