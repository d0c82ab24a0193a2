"""`commonwatt settle`: shares the quarter-hours of a file by a key."""
