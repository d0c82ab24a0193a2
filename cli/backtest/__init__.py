"""`commonwatt backtest`: the production code over historical data."""
