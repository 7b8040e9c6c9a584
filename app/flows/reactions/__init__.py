"""Reactions of an order to its inputs: provider reports, provider answers, commands, sourcing results. Pure."""
