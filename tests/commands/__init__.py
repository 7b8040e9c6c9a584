"""The command line as scripts use it: exit codes, JSON, and one sentence for what goes wrong."""
