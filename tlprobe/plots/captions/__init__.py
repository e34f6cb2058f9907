"""Captions of figures: what each kind of record shows, in words and numbers."""
