"""`commonwatt sizing`: what more PV or a battery at one point would bring."""
