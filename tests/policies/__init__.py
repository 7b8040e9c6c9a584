"""Policies: what shipped ones accept and refuse, what loading refuses, and that compiled rules mean what they say."""
