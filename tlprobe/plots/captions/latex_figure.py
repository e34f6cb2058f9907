"""A figure of records as LaTeX: the environment with the picture, a caption from the records' numbers, and a label."""

from collections.abc import Sequence

from tlprobe.plots.captions.caption import caption_of
from tlprobe.plots.latex import figure_environment
from tlprobe.records import Record

__all__ = ["latex_figure"]


def latex_figure(records: Sequence[Record], picture: str, *, wide: bool = False) -> str:
    r"""Return a ``figure`` environment for a picture of records, to be read by ``\input``.

    Parameters
    ----------
    records : sequence of Record
        Panels a, b, c, ... of the picture, in this order.
    picture : str
        Name of the file, as the document finds it: a PDF, a PNG, or a ``.pgf``, which LaTeX draws itself.
    wide : bool
        Whether it spans both columns: ``figure*``.

    Returns
    -------
    tex : str
        Its caption has, for each panel, what it shows, the numbers with their intervals, and n.

    Raises
    ------
    ParameterError
        If a document could not name the picture.

    Examples
    --------
    >>> rows = [{"block": "stem", "treatment": "freeze", "accuracy": 0.8, "ci_low": 0.76, "ci_high": 0.84, "n": 400}]
    >>> record = Record("freeze", {}, rows, {"data": {"name": "esc50"}})
    >>> print(latex_figure([record], "freezing.pdf"))  # doctest: +ELLIPSIS
    % A figure by tlprobe: ...
    \begin{figure}[tbp]
    ...
      \caption{Held-out accuracy, frozen up to: stem 80.0 \% [76.0 to 84.0] (n = 400 clips). ...}
      \label{fig:freezing}
    \end{figure}
    <BLANKLINE>
    """
    return figure_environment(picture, caption_of(records), wide=wide)
