"""What the paper reports, to stand beside ours.

Palanisamy, Singhania, Yao 2020, "Rethinking CNN Models for Audio Classification", https://arxiv.org/abs/2007.11154,
Tables I to III: validation accuracy in percent; the best epoch on the scored fold, five folds of ESC-50, ten of
UrbanSound8K, one split of GTZAN.
"""

import dataclasses

__all__ = ["DATA_SETS", "LITERATURE", "PUBLISHED", "Literature", "Published"]

DATA_SETS = {"esc50": "ESC-50", "urbansound8k": "UrbanSound8K", "gtzan": "GTZAN"}
"""Name of a data set in a record, and in the paper."""


@dataclasses.dataclass(frozen=True)
class Published:
    """One network on one data set, in percent.

    Parameters
    ----------
    model : str
        As the paper calls it.
    network : str
        In tlprobe; the paper's text cites GoogLeNet for its Inception, its code has Inception v3.
    data_set : str
    pretrained, pretrained_sd : float
        Table I: mean and standard deviation of five runs.
    random : float
        Table I.
    ensemble : float
        Table II: of five runs.
    """

    model: str
    network: str
    data_set: str
    pretrained: float
    pretrained_sd: float
    random: float
    ensemble: float


PUBLISHED = (
    Published("DenseNet", "densenet201", "ESC-50", 91.16, 0.36, 72.50, 92.89),
    Published("ResNet", "resnet50", "ESC-50", 90.65, 0.28, 67.40, 92.64),
    Published("Inception", "inception_v3", "ESC-50", 87.34, 0.74, 64.50, 89.70),
    Published("DenseNet", "densenet201", "UrbanSound8K", 85.14, 0.17, 76.32, 87.42),
    Published("ResNet", "resnet50", "UrbanSound8K", 84.76, 0.33, 73.26, 87.35),
    Published("Inception", "inception_v3", "UrbanSound8K", 84.37, 0.50, 75.24, 86.34),
    Published("DenseNet", "densenet201", "GTZAN", 91.39, 0.37, 88.50, 90.50),
    Published("ResNet", "resnet50", "GTZAN", 91.09, 0.86, 87.90, 91.99),
    Published("Inception", "inception_v3", "GTZAN", 90.00, 0.70, 86.30, 90.50),
)


@dataclasses.dataclass(frozen=True)
class Literature:
    """A result of others that Table III lists, in percent."""

    model: str
    data_set: str
    accuracy: float


LITERATURE = (
    Literature("Choi et al.", "GTZAN", 89.80),
    Literature("Choi et al.", "UrbanSound8K", 69.10),
    Literature("ceiling (Sturm)", "GTZAN", 94.50),
    Literature("Multi-Stream", "ESC-50", 84.90),
    Literature("Attention CRNN", "ESC-50", 86.10),
    Literature("ES-ResNet", "ESC-50", 91.50),
    Literature("ES-ResNet", "UrbanSound8K", 85.42),
)
