"""Options that several verbs share, each defined once."""

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlprobe.cli.app import set_up_output
from tlprobe.cli.complete import offer
from tlprobe.errors import ParameterError

if TYPE_CHECKING:
    from tlprobe.train.checkpoint import FileOptions
    from tlprobe.train.material import FitOptions

__all__ = [
    "Ckpt",
    "Clip",
    "Data",
    "Debug",
    "Device",
    "MoreClips",
    "MoreRuns",
    "OneCkpt",
    "Out",
    "Overwrite",
    "Quiet",
    "RunData",
    "data_options",
    "file_options",
    "fit_options",
]

Data = Annotated[
    Path | None,
    typer.Option(help="Data set: ESC-50, UrbanSound8K, GTZAN, a folder a class, or a table. [default: built-in clips]"),
]
RunData = Annotated[
    Path | None,
    typer.Option(help="The data set, where a run's own has moved, or of a weight file.", show_default=False),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.", autocompletion=offer("device"))]
Out = Annotated[Path, typer.Option(help="Folder for the record and the figure.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the result that --out holds.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes and no progress bars.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Ckpt = Annotated[
    list[Path],
    typer.Option(
        "--ckpt",
        help="A run directory, or a weight file with --backbone, --data and --fold; several may follow.",
    ),
]

OneCkpt = Annotated[
    Path,
    typer.Option("--ckpt", help="A run directory, or a weight file with --backbone, --data and --fold."),
]
Clip = Annotated[list[Path], typer.Option(help="A recording: a path in the data set, or any file; several may follow.")]
MoreClips = Annotated[list[Path], typer.Argument(metavar="[CLIP]...", help="Further recordings.", show_default=False)]
MoreRuns = Annotated[list[Path], typer.Argument(metavar="[RUN]...", help="Further runs.", show_default=False)]

_RECIPE_PANEL: dict[str, tuple[Any, str]] = {
    "epochs": (int | None, "Recipe value: passes over the training clips."),
    "batch_size": (int | None, "Recipe value: clips a step."),
    "optimizer": (str | None, "Recipe value: adam, adamw or sgd."),
    "lr": (float | None, "Recipe value: learning rate (its peak for onecycle)."),
    "weight_decay": (float | None, "Recipe value: weight decay."),
    "schedule": (str | None, "Recipe value: constant, step, multistep or onecycle."),
    "step_epochs": (int | None, "Recipe value: epochs between steps of the step schedule."),
    "milestones": (str | None, "Recipe value: epochs of the multistep schedule, e.g. 300,350."),
    "gamma": (float | None, "Recipe value: factor of the step and multistep schedules."),
    "label_smoothing": (float | None, "Recipe value: label smoothing of the training loss."),
    "time_roll": (bool | None, "Recipe value: roll training images along time."),
    "gain_db": (float | None, "Recipe value: random gain of each clip, up to so many dB up or down."),
    "noise_snr_db": (float | None, "Recipe value: white noise, at this signal-to-noise ratio or up to 20 dB better."),
    "mel_shift": (int | None, "Recipe value: shift along frequency by up to so many rows."),
    "freq_masks": (int | None, "Recipe value: SpecAugment, masks along frequency."),
    "freq_mask_rows": (int | None, "Recipe value: SpecAugment, rows of such a mask at most."),
    "time_masks": (int | None, "Recipe value: SpecAugment, masks along time."),
    "time_mask_columns": (int | None, "Recipe value: SpecAugment, columns of such a mask at most."),
    "mixup": (float | None, "Recipe value: alpha of mixup's Beta distribution; 0 is off."),
    "variants": (int | None, "Recipe value: stored variants of each training clip, by pitch and tempo."),
    "pitch_semitones": (float | None, "Recipe value: pitch of a variant, up to so many semitones up or down."),
    "stretch": (float | None, "Recipe value: tempo of a variant, up to 1 + this times as fast or as slow."),
    "stored_views": (int | None, "Recipe value: draw the augmentation beforehand, so many views of each clip."),
    "normalize": (str | None, "Recipe value: channel (statistics of the training clips) or none."),
}
_DATA_PANEL: dict[str, tuple[Any, str]] = {
    "dataset": (
        str | None,
        "Layout: esc50, esc10, urbansound8k, gtzan, folder, table or named. [default: the one found]",
    ),
    "data_split": (str | None, "Of gtzan: paper, fault-filtered or artists. [default: paper]"),
    "data_seed": (
        int | None,
        "Seed of folds that the data set does not prescribe, and of built-in clips. [default: 0]",
    ),
    "n_folds": (int | None, "How many such folds are dealt. [default: 5]"),
    "folds_file": (
        str | None,
        "CSV of folds that count (path, fold; of parts start_s, end_s); written where it is not there.",
    ),
    "path_column": (str | None, "Of a table: the column of the files' paths. [default: path, filename or file]"),
    "label_column": (str | None, "Of a table: the column of classes. [default: label, class or category]"),
    "fold_column": (str | None, "Of a table: the column of folds. [default: fold, where there is one]"),
    "group_column": (str | None, "Of a table: the column of sources. [default: group, where there is one]"),
    "start_column": (str | None, "Of a table: the column of each part's start in s."),
    "end_column": (str | None, "Of a table: the column of each part's end in s."),
    "label_regex": (str | None, "Take classes from file names: a pattern with (?P<label>...), maybe group and fold."),
    "window_s": (float | None, "Cut recordings into windows of so many s, after the split."),
    "allow_leaks": (bool | None, "Go on with sources on both sides of an own split. [default: no-allow-leaks]"),
    "on_error": (str | None, "Recordings that cannot be used: fail, or skip and count them. [default: fail]"),
}
_IMAGE_PANEL: dict[str, tuple[Any, str]] = {
    "sr": (int | None, "Sampling rate in Hz. [default: the data set's usual or commonest]"),
    "clip_s": (
        float | None,
        "Clip length in s; longer clips are cropped. [default: the usual or the longest, at most 30]",
    ),
    "width": (int | None, "Image columns. [default: the usual, or 50 a second]"),
    "short": (str | None, "Shorter clips: silence (at the end), repeat, or stretch (the image). [default: silence]"),
    "channel": (int | None, "Take this channel of recordings, from 1. [default: the mean of all]"),
    "features": (
        str | None,
        "log-mel3 (25, 50, 100 ms), log-mel, log-spec, mfcc or gammatone. [default: log-mel3]",
    ),
}
_PANEL: dict[str, tuple[Any, str]] = {
    **_DATA_PANEL,
    "backbone": (
        str | None,
        "Network: efficientnet_lite0, densenet201, resnet50, ... or timm/NAME. [default: efficientnet_lite0]",
    ),
    "weights": (
        str | None,
        "Start: imagenet, random, a weight file or a run (its head is dropped). [default: imagenet]",
    ),
    "fold": (int | None, "Fold held out. [default: 1]"),
    "inner_fold": (
        bool | None,
        "Keep the fold after it out of training as well, to choose epoch and recipe on. [default: no-inner-fold]",
    ),
    "seed": (int | None, "Reaches every draw of the training. [default: 0]"),
    "recipe": (str | None, "quick, paper, paper-scratch, or an own YAML file. [default: quick]"),
    **_RECIPE_PANEL,
    **_IMAGE_PANEL,
}
_FILE_PANEL: dict[str, tuple[Any, str]] = {
    "backbone": (str | None, "Of a weight file: its network."),
    "fold": (int | None, "Of a weight file: the fold it was not trained on."),
    "normalize": (
        str | None,
        "Of a weight file: how its images were standardised, channel or none. [default: channel]",
    ),
    "classes": (
        str | None,
        "Of a weight file: a text file with its classes in the head's order, one a line. [default: alphabetical]",
    ),
    **{name: (_PANEL[name][0], f"Of a weight file: {_PANEL[name][1]}") for name in (*_DATA_PANEL, *_IMAGE_PANEL)},
}


def fit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb all options of a training; it gets those that were used as its `given` argument."""
    return _with_panel(command, _PANEL, argument="given")


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that say how a data set is read; it gets those used as `given`."""
    return _with_panel(command, _DATA_PANEL, argument="given")


def image_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that say how clips are shown; it gets those used as `shown`."""
    return _with_panel(command, _IMAGE_PANEL, argument="shown")


def file_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that describe a bare weight file; it gets those used as `given`."""
    return _with_panel(command, _FILE_PANEL, argument="given")


def to_fit_options(given: Mapping[str, Any]) -> "FitOptions":
    """Return the training options that were used, with defaults for the others.

    Raises
    ------
    ParameterError
        If ``milestones`` is no list of whole numbers, or the seed is impossible.
    """
    from tlprobe.train.material import FitOptions

    changes = {name: value for name, value in given.items() if name in _RECIPE_PANEL}
    if "milestones" in changes:
        try:
            changes["milestones"] = tuple(int(part) for part in str(changes["milestones"]).split(","))
        except ValueError as error:
            raise ParameterError(f"--milestones {changes['milestones']!r} is no list of epochs like 300,350") from error
    if given.get("seed", 0) < 0:
        raise ParameterError(f"--seed {given['seed']}: must be 0 or more")
    rest = {name: value for name, value in given.items() if name not in _RECIPE_PANEL}
    return FitOptions(changes=changes, **rest)


def to_file_options(given: Mapping[str, Any], *, ckpt: list[Path], **more: Any) -> "FileOptions | None":
    """Return what was said of a weight file; a run needs and allows nothing of it.

    Raises
    ------
    ParameterError
        If a run is given with options that only a weight file needs, or a value of such an option is impossible.
    """
    from tlprobe.train.checkpoint import FileOptions

    used = {**given, **{name: value for name, value in more.items() if value is not None}}
    if not used:
        return None
    for path in ckpt:
        if path.is_dir():
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in used)
            raise ParameterError(f"{path} is a run and knows this itself; {flags} would be ignored")
    if "before_seed" in used and used.get("before") != "random":
        raise ParameterError(f"--before-seed {used['before_seed']} is of --before random alone; it would be ignored")
    if used.get("normalize", "none") not in ("channel", "none"):
        raise ParameterError(f"--normalize {used['normalize']!r}; choose from channel, none")
    return FileOptions(**used)


def begin(*, quiet: bool) -> bool | None:
    """Set up notes, and return the `progress` argument of the library's functions."""
    quiet = quiet or int(os.environ.get("RANK", "0")) > 0  # of the processes that torchrun starts, one speaks
    set_up_output(quiet=quiet)
    return False if quiet else None


def _with_panel(
    command: Callable[..., None], panel: Mapping[str, tuple[Any, str]], *, argument: str
) -> Callable[..., None]:
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != argument]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind, typer.Option(help=text, show_default=False, autocompletion=offer(name))],
        )
        for name, (kind, text) in panel.items()
    ]

    def wrapper(**values: Any) -> None:
        given = {name: values.pop(name) for name in panel}
        command(**values, **{argument: {name: value for name, value in given.items() if value is not None}})

    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    wrapper.__signature__ = signature.replace(parameters=keyword_only + added)  # type: ignore[attr-defined]
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    return wrapper
