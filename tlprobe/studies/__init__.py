"""Many trainings, one record: the sweeps over blocks, and the demo."""
