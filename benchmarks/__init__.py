"""Benchmarks: our paths beside their raw bounds, in one run, as ratios. Never tests: machines differ and are noisy."""
