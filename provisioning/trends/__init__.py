"""Samples of the platform over time, how fast it grows, when something may run out."""
