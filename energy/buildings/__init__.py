"""What a building uses in a year, how it compares, and what it could save; `indicators.py` is where to begin.

Days are local days, spans half-open. Energy is in kWh, water in m³. What nobody knows stays None, with how much is known.
"""
