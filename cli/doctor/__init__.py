"""`commonwatt doctor`: ordered checks, each with what to do next."""
