"""Alerts: typed rules, what each watches and measures, when it stands, and whom it tells. Pure."""
