"""Arrays in, numbers out: similarity, intervals, seeds. No network in sight."""
