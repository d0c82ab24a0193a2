"""What the next hours bring, learned from a meter's own past, from the first day on. Needs numpy.

profile     one forecaster for load and PV: slots of day and week, weights and live correction learned as it goes
correction  the regression behind the live correction, per meter and lead time
season      what the sun's course changes from day to day, where the place is known
weather     a weather feed, which may be missing; lag: how late meters are against it
calendar    slots of the local week, public holidays as Sundays
scenarios   possible net loads: the forecast plus the errors it made at this time of day before; bands of them
ahead       the forecast of a running community; messages: what it is asked and answers
advice      lights for citizens, by a rule on the forecast; advice_texts: its sentences
accuracy    error figures, and keeping them per lead time
"""
