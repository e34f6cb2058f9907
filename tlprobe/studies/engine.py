"""Where a study's trials run, and how many at a time."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tlprobe.errors import ParameterError
from tlprobe.train.recipe import explain_validation

__all__ = ["Engine"]


class Engine(BaseModel):
    """Where trials run.

    Attributes
    ----------
    name : {"local", "ray"}
        In this process, or in worker processes on this machine; or as tasks of Ray.
    jobs : int >= 1
        Trials at a time; of Ray's, at most.
    address : str or None
        Of ray: ``auto`` or an address joins a Ray that runs, None or ``local`` starts one on this machine.
    gpu_share : float in (0, 1]
        Of ray: the part of a GPU that a trial asks for, so that 0.5 puts two on each.

    Examples
    --------
    >>> Engine(name="ray", jobs=8, address="auto").jobs
    8
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["local", "ray"] = "local"
    jobs: int = Field(default=1, ge=1)
    address: str | None = Field(default=None, min_length=1)
    gpu_share: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _has_nothing_of_another_engine(self) -> "Engine":
        given = sorted(self.model_fields_set - {"name", "jobs"})
        if self.name != "ray" and given:
            raise ValueError(f"{', '.join(given)}: of engine ray alone, and this is engine {self.name}")
        return self

    def changed(self, *, name: str | None, jobs: int | None, address: str | None) -> "Engine":
        """Return an engine with other values where they are given; another engine keeps ``jobs`` alone.

        Raises
        ------
        ParameterError
            If the values do not go together.
        """
        given = {"name": name, "jobs": jobs, "address": address}
        kept = self.model_dump(exclude_unset=True)
        if name not in (None, self.name):
            kept = {"jobs": self.jobs}
        try:
            return Engine.model_validate(kept | {key: value for key, value in given.items() if value is not None})
        except ValidationError as error:
            raise ParameterError(f"engine: {explain_validation(error)}") from error
