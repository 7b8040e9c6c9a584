"""Hostile input to every decoder: targets that take any bytes, for hypothesis (tests) and atheris (`make fuzz`)."""
