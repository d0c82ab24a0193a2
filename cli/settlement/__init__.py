"""`commonwatt statements`: a community's month from readings to invoices."""
