"""The centre: takes in readings and confirms them, keeps the live picture and quarter-hours, steps the rules."""
