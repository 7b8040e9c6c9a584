"""Sourcing: which warehouse ships which line. Orders are solved together, and every choice has its reason. Pure."""
