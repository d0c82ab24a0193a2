"""The installer's commands: profiles, scan, probe."""
