"""What more PV or a battery at one point would do to sharing, bills and payback. Needs numpy.

terms    what things cost, as dated entries with their source
yields   what a kWp would have produced in each quarter-hour
store    a battery over a year: by the plain rule in whole Wh, or following powers that somebody else chose
steered  the powers that the production planner would have chosen
change   readings with a candidate behind a meter
bills    what each point pays in a year
worth    payback and net present value of an investment
study    one question: what is the same for all sizes, and of each size what it changes
grid     many sizes at once: outcomes, the best of them, and how sure that is
facts    the same as plain facts
"""
