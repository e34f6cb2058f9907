"""Data sets of recordings, their folds, and the cache of their images."""
