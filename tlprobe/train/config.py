"""What defines a run: everything that a number depends on, and nothing else.

Two runs with equal `FitConfig` (and equal data and starting weights) are the same run, wherever and
on whatever device they were made.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tlprobe.audio.settings import ImageSettings
from tlprobe.backbones.partition import Partition
from tlprobe.train.recipe import Recipe

__all__ = ["TREATMENTS", "FitConfig", "Treatment"]

Treatment = Literal["full", "random", "fuse", "freeze", "cutoff"]
TREATMENTS: tuple[Treatment, ...] = ("full", "random", "fuse", "freeze", "cutoff")


class FitConfig(BaseModel):
    """The definition of one training.

    Attributes
    ----------
    backbone : str
        See `tlprobe.backbones.registry.build`.
    init : str
        ``"imagenet"``, ``"random"``, or the name of the weight file it started from.
    init_digest : str
        SHA-256 of the starting weights, or ``"random"``.
    fold : int
        The fold held out.
    inner_fold : int or None
        A second fold that is not trained on, for choices: an epoch, a recipe. None: there is none.
    seed : int
        Reaches every draw: random weights, head, batch order, augmentation.
    treatment : {"full", "random", "fuse", "freeze", "cutoff"}
        What was done to the network before training.
    blocks : tuple of str
        To which blocks, input to output: those that kept their pretrained weights (fuse), those that are frozen,
        those that are left of a cut network. Empty for full and random.
    rest : str or None
        What the other blocks of a fused network got, see `tlprobe.probes.fuse`.
    partition : Partition or None
        Where `blocks` are parts of equal size and not the named ones.
    data_hash : str
        Content hash of the data set.
    classes : tuple of str
        In the order of the head's outputs.
    image : ImageSettings
        How clips became images.
    recipe : Recipe
        How it was trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str
    init: str
    init_digest: str
    fold: int
    inner_fold: int | None = None
    seed: int = Field(ge=0)
    treatment: Treatment
    blocks: tuple[str, ...] = ()
    rest: str | None = None
    partition: Partition | None = None
    data_hash: str
    classes: tuple[str, ...]
    image: ImageSettings
    recipe: Recipe
