"""What every service shares and none owns: clock, configuration files, logs, life cycle."""
