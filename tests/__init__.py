"""A package, so that the tests packages that some libraries install do not stand in its place."""
