"""Money for what was shared: from settled quarter-hours to statements, invoices, credit notes and their reasons.

money       cents half up, structured communications
terms       prices, network cost, levies, VAT and the social guard: dated, each with its source
volumes     settled quarter-hours to whole Wh of each member and metering point
guard       nobody with the social tariff pays more for sharing it
statement   the lines of a member's month
inputs      all that a month is settled by, kept with its run
month       a month from readings to statements
documents   invoices, self-billed remunerations, credit notes; a correction against what was final
explain     every line back to its quarter-hours
"""
