"""`commonwatt demo`: everything in one go, and the back-fill of its past."""
