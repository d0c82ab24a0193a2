"""The live state as the API holds it: newest objects, leases, and the event streams fed from them."""
