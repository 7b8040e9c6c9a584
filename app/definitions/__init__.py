"""Definitions in YAML: read strictly, and everything that is wrong named with file, path and fix. Pure."""
