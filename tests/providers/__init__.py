"""Tests of the provider port: one contract for every folder, and what is odd about each provider."""
