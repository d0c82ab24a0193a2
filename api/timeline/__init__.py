"""Series over time for charts and files: what was asked, which steps, which values, which format."""
