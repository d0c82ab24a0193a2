"""The `commonwatt` command: reads configuration, composes the services, prints."""
