"""The verb that hands a network on: export."""

from pathlib import Path
from typing import Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Quiet, begin


@app.command()
def export(
    *,
    ckpt: Annotated[Path, typer.Option("--ckpt", help="A finished run.")],
    to: Annotated[str, typer.Option(help="torchvision, timm or onnx.")],
    out: Annotated[Path, typer.Option(help="File: .pth, .pt or .safetensors; .onnx for onnx.")],
    state: Annotated[str, typer.Option(help="weights (last epoch), best, init, or a kept epoch's number.")] = "weights",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a run's network for torchvision, timm or ONNX."""
    from tlprobe.errors import ParameterError
    from tlprobe.train.export import export as call

    begin(quiet=quiet)
    if not state.isdecimal() and state not in ("weights", "best", "init"):
        raise ParameterError(f"--state {state!r}; choose from weights, best, init, or give a kept epoch's number")
    wanted = int(state) if state.isdecimal() else state
    about = call(ckpt, to=to, out=out, state=wanted, overwrite=overwrite)  # type: ignore[arg-type]  # checked there
    typer.echo(f"network: {out}   how to use it: {about}")
