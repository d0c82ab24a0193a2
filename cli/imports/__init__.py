"""Grid operators' and meter companies' files to readings and monthly volumes, by formats that are data."""
