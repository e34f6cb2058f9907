"""What a run says of its held-out clips: ``predictions.csv``, one row a clip, one probability a class.

Ensembles, intervals and figures by class need nothing else.
"""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np

from tlprobe.errors import CheckpointError

__all__ = ["Predictions"]


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a run says of its held-out clips.

    Parameters
    ----------
    clips : tuple of str
        Paths relative to the data set's root.
    labels : tuple of str
        True classes.
    classes : tuple of str
        In the order of `probabilities`' columns.
    probabilities : np.ndarray [shape=(n_clips, n_classes), float64, in [0, 1]]
        Soft-max outputs.
    """

    clips: tuple[str, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray

    @property
    def predicted(self) -> tuple[str, ...]:
        """The most probable class of each clip."""
        return tuple(self.classes[column] for column in self.probabilities.argmax(1))

    @property
    def correct(self) -> tuple[bool, ...]:
        """Whether each clip is predicted rightly."""
        return tuple(true == said for true, said in zip(self.labels, self.predicted, strict=True))

    @property
    def n_correct(self) -> int:
        """How many clips are predicted rightly."""
        return sum(self.correct)

    def to_csv(self) -> str:
        """Return the table as text; probabilities keep 9 digits, enough for float32."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["clip", "label", "predicted", *self.classes])
        for clip, label, said, row in zip(self.clips, self.labels, self.predicted, self.probabilities, strict=True):
            writer.writerow([clip, label, said, *(f"{value:.9g}" for value in row)])
        return text.getvalue()

    @classmethod
    def read(cls, file: Path, *, classes: tuple[str, ...]) -> "Predictions":
        """Read what `to_csv` wrote.

        Parameters
        ----------
        file : Path
        classes : tuple of str
            Those that its columns must have.

        Raises
        ------
        CheckpointError
            If the table is missing or damaged.
        """
        try:
            with file.open(newline="", encoding="utf-8") as lines:
                header, *rows = csv.reader(lines)
            if tuple(header[3:]) != classes or not rows:
                raise ValueError("its columns are not the run's classes, or it has no rows")
            probabilities = np.array([[float(value) for value in row[3:]] for row in rows])
            if probabilities.shape != (len(rows), len(classes)):
                raise ValueError("its rows have different lengths")
            if not np.isfinite(probabilities).all():
                raise ValueError("it holds probabilities that are not finite")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file} is missing or damaged: {error}") from error
        return cls(
            clips=tuple(row[0] for row in rows),
            labels=tuple(row[1] for row in rows),
            classes=classes,
            probabilities=probabilities,
        )
