"""The few errors that tlprobe raises on purpose, each with the exit code the command line gives it.

A message is one line: it names the value, where it came from and the choices there are.
"""

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergedError",
    "ParameterError",
    "ResourceError",
    "StoppedError",
    "TlprobeError",
    "UndefinedError",
    "list_errors",
]


class TlprobeError(Exception):
    """Base of all errors that tlprobe raises on purpose."""

    exit_code = 1


class ParameterError(TlprobeError, ValueError):
    """A wrong argument, option or configuration value."""

    exit_code = 2


class UndefinedError(ParameterError):
    """A number that these values do not determine: the similarity to a constant, for example."""


class DataError(TlprobeError):
    """A data folder, table or recording that cannot be used."""

    exit_code = 3


class CheckpointError(TlprobeError):
    """A run directory or weight file that is missing, damaged or of another network."""

    exit_code = 4


class DivergedError(TlprobeError):
    """Training produced a loss that is not finite."""

    exit_code = 5


class ResourceError(TlprobeError):
    """Disk, memory or a folder's lock is not to be had."""

    exit_code = 6


class StoppedError(TlprobeError):
    """A training was told to stop by a signal, and has saved its state.

    Parameters
    ----------
    message : str
    exit_code : int
        Of the signal: 130 for SIGINT, 143 for SIGTERM and SIGUSR1.
    """

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def list_errors(errors: list[str], *, what: str = "recordings", n_named: int = 5) -> str:
    """Return one line for many errors: the only one, or their count and the first few."""
    if len(errors) == 1:
        return errors[0]
    more = f"; and {len(errors) - n_named} more" if len(errors) > n_named else ""
    return f"{len(errors)} {what} cannot be used: " + "; ".join(errors[:n_named]) + more
