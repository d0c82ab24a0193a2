"""What the next hours bring, learned from a meter's own past, from the first day on. Needs numpy.

profile     one forecaster for load and PV: slots of day and week, weights and live correction learned as it goes
scenarios   possible net loads: the forecast plus the errors it made at this time of day before
accuracy    error figures, and keeping them per lead time
"""
