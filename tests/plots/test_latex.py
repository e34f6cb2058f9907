"""A figure's environment in a LaTeX document: what comes from outside is text there."""

import pytest

from tlprobe.errors import ParameterError
from tlprobe.plots.latex import MARK, escape, escape_formulas, figure_environment


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("a_b & 5 % #1 $x$", r"a\_b \& 5 \% \#1 \$x\$"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("<|>", r"\textless{}\textbar{}\textgreater{}"),
        ("--''", "-{}-'{}'"),
        ("1\N{EN DASH}5 \N{MINUS SIGN}3", r"1--5 \ensuremath{-}3"),
        ("a\0b\x07", "ab"),
    ],
)
def test_escape(text, tex):
    assert escape(text) == tex


def test_formulas_stay_and_lone_dollars_are_text():
    assert escape_formulas(r"$\tau_1$ of a_b") == r"$\tau_1$ of a\_b"
    assert escape_formulas("5 $ a_b") == r"5 \$ a\_b"
    assert escape_formulas(r"\$x_1\$") == r"\$x\_1\$"


def test_environment():
    tex = figure_environment("a_b.pgf", "100 %\n\n\\end{figure}", wide=True)
    assert tex.startswith(MARK)
    assert r"\begin{figure*}" in tex
    assert r"\input{a_b.pgf}" in tex
    assert r"\caption{100 \% \textbackslash{}end\{figure\}}" in tex
    assert r"\label{fig:a_b}" in tex
    assert r"\includegraphics[width=\linewidth]{f.png}" in figure_environment("f.png", "x", wide=False)


@pytest.mark.parametrize("name", ["a b.pdf", "a}b.pdf", "ä.pdf", "a%.pdf", ".pdf", "-x.pdf", "a~.pdf"])
def test_pictures_that_a_document_cannot_name(name):
    with pytest.raises(ParameterError, match="is no name that a LaTeX document can include"):
        figure_environment(name, "x", wide=False)
