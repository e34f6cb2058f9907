"""How much a page may hold: bytes of figures, sounds and records, and how many of them."""

__all__ = ["MOST_BYTES", "Room"]

MOST_BYTES = 8_500_000
"""Of what is laid into the page; with its text and tables it stays under 10 MB."""
MOST_FIGURES = 60
CLIPS = 6
"""Clips with sounds, unless it is said how many."""
_SOUND_BYTES = 3_500_000  # of them, so that figures find room too


class Room:
    """What is left of a page.

    Parameters
    ----------
    audio : int, optional
        Clips with sounds; these then count for no limit. Default: `CLIPS`, within a part of the page.
    """

    def __init__(self, *, audio: int | None = None) -> None:
        self._bytes = MOST_BYTES
        self._figures = MOST_FIGURES
        self._is_asked = audio is not None
        self._clips = CLIPS if audio is None else audio
        self._sound_bytes = _SOUND_BYTES

    def take(self, n_bytes: int) -> bool:
        """Take room for `n_bytes`; False where there is none."""
        if n_bytes > self._bytes:
            return False
        self._bytes -= n_bytes
        return True

    @property
    def has_figures(self) -> bool:
        """Whether another figure may be drawn at all."""
        return self._figures > 0 and self._bytes > 0

    @property
    def why_no_figures(self) -> str:
        """Why there is no room for a figure."""
        if self._figures <= 0:
            return f"this page already has {MOST_FIGURES} figures"
        return f"this page is full ({MOST_BYTES / 1e6:.1f} MB of figures, sounds and records)"

    def take_figure(self, n_bytes: int) -> bool:
        """Take room for a figure of `n_bytes`; False where there is none."""
        if not self.has_figures or not self.take(n_bytes):
            return False
        self._figures -= 1
        return True

    @property
    def has_sounds(self) -> bool:
        """Whether the sounds of another clip may be read at all."""
        return self._clips > 0

    def take_sounds(self, n_bytes: int) -> bool:
        """Take room for the sounds of one clip; False where there is none."""
        if self._clips <= 0:
            return False
        if not self._is_asked:
            if n_bytes > self._sound_bytes or not self.take(n_bytes):
                return False
            self._sound_bytes -= n_bytes
        self._clips -= 1
        return True
