"""The verb that looks at the machine: doctor."""

from typing import Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.options import Debug, Device


@app.command()
def doctor(
    *,
    device: Device = "auto",
    seconds: Annotated[
        float, typer.Option(min=0, help="Time for the estimates of speed, all together; 0 leaves them out.")
    ] = 10.0,
    networks: Annotated[
        list[str] | None, typer.Option("--network", help="Networks to estimate. [default: one a family]")
    ] = None,
    debug: Debug = False,
) -> None:
    """Show versions, device, and how fast networks train."""
    from tlprobe.backbones.registry import family_of
    from tlprobe.train.device import resolve_device
    from tlprobe.train.doctor import describe_machine
    from tlprobe.train.speed import BATCH_SIZE, TYPICAL, training_speed

    where = resolve_device(device)
    chosen = tuple(networks or TYPICAL)
    for network in chosen:
        family_of(network)  # an unknown name is told before anything else
    facts = describe_machine(where)
    for name, text in facts.items():
        typer.echo(f"{name + ':':<12} {text}")
    if seconds > 0:
        typer.echo(f"training of {BATCH_SIZE[where.type]} clips a step, images (3, 128, 250), on {where}:")
        for network in chosen:
            speed = training_speed(network, device=where, seconds=seconds / len(chosen))
            peak = "" if speed.peak_bytes is None else f", {speed.peak_bytes / 1e9:.1f} GB at the highest"
            typer.echo(f"  {network:<20} {speed.clips_per_s:8.1f} clips/s ({speed.n_steps} steps{peak})")
    if any(text.startswith("BROKEN") for text in facts.values()):
        raise typer.Exit(1)
