r"""A figure in a LaTeX document: an environment with the picture, a caption and a label.

Whatever comes from outside (names of classes, files and data sets) is text here: nothing of it is read as a command.
"""

import re

from tlprobe.errors import ParameterError

__all__ = ["INCLUDED", "MARK", "escape", "escape_formulas", "figure_environment", "require_name"]

MARK = "% A figure by tlprobe"
"""How a file of `figure_environment` begins: one that begins otherwise is somebody's own."""

INCLUDED = ("pgf", "pdf", "png")
"""Formats that a document includes, the best first."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_APART = "\0"  # between two signs that LaTeX would take for one, as -- for a dash
_SIGNS = {
    **{chr(code): "" for code in (*range(32), 127) if chr(code) != "\n"},
    _APART: "{}",
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "\N{PLUS-MINUS SIGN}": r"\ensuremath{\pm}",
    "\N{DEGREE SIGN}": r"\ensuremath{^\circ}",
    "\N{LESS-THAN OR EQUAL TO}": r"\ensuremath{\le}",
    "\N{GREATER-THAN OR EQUAL TO}": r"\ensuremath{\ge}",
    "\N{GREEK SMALL LETTER TAU}": r"\ensuremath{\tau}",
    "\N{GREEK SMALL LETTER RHO}": r"\ensuremath{\rho}",
    "\N{MICRO SIGN}": r"\ensuremath{\mu}",
    "\N{REPLACEMENT CHARACTER}": r"\textbf{?}",
}
_ESCAPES = str.maketrans(_SIGNS)


def escape(text: str) -> str:
    r"""Return a text as LaTeX that sets it as it stands; letters beyond ASCII are left to the document's font.

    >>> escape("50 % of a_b"), escape("{x}")
    ('50 \\% of a\\_b', '\\{x\\}')
    """
    return re.sub(r"([-',])(?=\1)", rf"\1{_APART}", text.replace(_APART, "")).translate(_ESCAPES)


def escape_formulas(text: str) -> str:
    r"""Return a text of a figure as LaTeX: what matplotlib reads as a formula, between two dollar signs, stays one.

    >>> escape_formulas("$10^{-3}$ of a_b"), escape_formulas(r"\$5 & more")
    ('$10^{-3}$ of a\\_b', '\\$5 \\& more')
    """
    parts = re.split(r"(?<!\\)\$", text)
    if len(parts) % 2 == 0:  # one sign has no other: there is no formula
        parts = [text]
    return "".join(f"${part}$" if k % 2 else escape(part.replace(r"\$", "$")) for k, part in enumerate(parts))


def figure_environment(picture: str, caption: str, *, wide: bool) -> str:
    r"""Return a ``figure`` environment, to be read by ``\input``.

    Parameters
    ----------
    picture : str
        Name of the file, as a document finds it; a ``.pgf`` is drawn by LaTeX itself, at its own size.
    caption : str
        Plain text; it is escaped here.
    wide : bool
        Whether it spans both columns: ``figure*``.

    Returns
    -------
    tex : str
        Its label is ``fig:`` and the picture's name.

    Raises
    ------
    ParameterError
        If a document could not name the picture.

    Examples
    --------
    >>> print(figure_environment("freezing.pdf", "Accuracy of 5 % & more.", wide=False))
    % A figure by tlprobe: \usepackage{graphicx}; of another folder, read it by \import (\usepackage{import})
    \begin{figure}[tbp]
      \centering
      \includegraphics[width=\linewidth]{freezing.pdf}
      \caption{Accuracy of 5 \% \& more.}
      \label{fig:freezing}
    \end{figure}
    <BLANKLINE>
    """
    name, _, kind = picture.rpartition(".")
    require_name(name)
    environment = "figure*" if wide else "figure"
    if kind == "pgf":
        package, draws = "pgf", rf"\input{{{picture}}}"
    else:
        package, draws = "graphicx", rf"\includegraphics[width=\linewidth]{{{picture}}}"
    lines = [
        rf"{MARK}: \usepackage{{{package}}}; of another folder, read it by \import (\usepackage{{import}})",
        rf"\begin{{{environment}}}[tbp]",
        r"  \centering",
        f"  {draws}",
        rf"  \caption{{{escape(' '.join(caption.split()))}}}",
        rf"  \label{{fig:{name}}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def require_name(name: str) -> None:
    """Refuse the name of a picture that a LaTeX document could not write down.

    Raises
    ------
    ParameterError
        If there is anything in it but letters, digits and ``. _ + -``.
    """
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"out={name!r} is no name that a LaTeX document can include; use letters A to Z, digits, '.', '_', '+' "
            "and '-' alone"
        )
