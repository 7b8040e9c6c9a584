"""Sourcing optimization: which warehouse ships which line, solved for many orders together, with explanations. Pure."""
