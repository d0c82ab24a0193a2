"""What every steered device of a community does now: a stateless step from live values to one decision per device.

settings    what a configuration says: who may be steered, how, and who comes first
now         what the step looks at, and what it answers
limits      fuse, connection, quarter-hour peak and feed-in of a site: what is left, in numbers and in a sentence
chargers    cars that share what is left: 6 A at least, the least patient first
heat_pumps  SG-Ready: blocked, boosted, let go, and never longer than its label allows
batteries   surplus and deficit of the whole community, then prices, within each site's limits
lighting    the astronomical clock, and dimming at night
cycle       all of it in the declared order
look        from what is known live to what the step looks at
"""
