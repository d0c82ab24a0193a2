"""Sharing of a quarter-hour's injection among participants by a published key. Needs numpy, unlike the rest of energy/.

key         the one key model: ordered rounds, participants, producers
ean         check digit of metering points
exact       the rule in exact rationals, one quarter-hour, with a trace: reference and resolution 0
division    an amount in each row divided exactly among columns, many rows at once
whole       the same rule in whole Wh over many quarter-hours at once
settlement  readings with gaps to settled quarter-hours
fairness    rates, Jain, Gini
explain     one sentence on what a participant received and why
"""
