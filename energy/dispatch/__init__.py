"""When batteries charge and discharge: plan, value of stored energy, balancer, rules of cost. Needs numpy.

storage     batteries behind meters, one array entry per meter; identical batteries aggregate exactly
fleet       batteries, their meters, and tanks: the fewest storages that act exactly as they do
capacity    capacity tariffs as a rule: what a month's peak costs, which peak is free already
value       what one more stored kWh is worth, from prices and scenarios of the net load
balancer    the stateless step: this plan, this net load, these limits, one power per meter; and the plain rule
program     the linear program (HiGHS): plans with several batteries, peak targets, perfect foresight
planner     from scenarios to a plan: peak target, then value of stored energy
request     what the planner of a running community is asked and answers
rolling     that planner: past quarter-hours in, the next 36 hours out
ahead, runs a running community's cars by price, and machines that run once
members     how the saving of a pool is split so that nobody pays more than under the plain rule
"""
