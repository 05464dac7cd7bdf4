"""Telling people who are not looking: the planner, deliveries, and one module per channel."""
