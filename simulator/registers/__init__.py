"""Device state as registers and writes as device state: one module per kind of device."""
