"""The whole chain under every fault we can make, and what must be true afterwards: `python -m tests.torture`."""
