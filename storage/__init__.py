"""What is kept: time series (`history`) and the register of alerts, commands and audit (`register`)."""
