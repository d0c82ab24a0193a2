"""Accounting of buildings from what is stored: what was used, its indicators, what could be saved, and the report."""
