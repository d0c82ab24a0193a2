"""What the numbers mean: quantities, sites, balances, quarter-hours, rules, leases. Pure functions and values, no I/O."""
