"""The optimiser and the learning-rate schedule that a recipe asks for."""

import torch
from torch import nn

from tlprobe.train.recipe import Recipe

__all__ = ["make_optimizer", "make_schedule"]

_SGD_MOMENTUM = 0.9  # He et al. 2016, section 3.4


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser of all weights that are trained.

    It is the fused one: a single pass over all weights instead of some passes over each.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    lr, decay = recipe.lr, recipe.weight_decay
    if recipe.optimizer == "adam":
        return torch.optim.Adam(weights, lr=lr, weight_decay=decay, fused=True)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(weights, lr=lr, weight_decay=decay, fused=True)
    return torch.optim.SGD(weights, lr=lr, weight_decay=decay, momentum=_SGD_MOMENTUM, fused=True)


def make_schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, *, n_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the schedule, which is stepped once a training step; `n_steps` are those of one epoch."""
    schedules = torch.optim.lr_scheduler
    if recipe.schedule == "onecycle":
        return schedules.OneCycleLR(optimizer, max_lr=recipe.lr, total_steps=recipe.epochs * n_steps + 1)
    if recipe.schedule == "step":
        return schedules.StepLR(optimizer, step_size=(recipe.step_epochs or 1) * n_steps, gamma=recipe.gamma)
    if recipe.schedule == "multistep":
        milestones = [epoch * n_steps for epoch in recipe.milestones]
        return schedules.MultiStepLR(optimizer, milestones=milestones, gamma=recipe.gamma)
    return schedules.ConstantLR(optimizer, factor=1.0)
