"""What a run of each scenario lacks, or has too much of, and the numbers that fall with it: one module a scenario."""
