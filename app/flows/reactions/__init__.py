"""What an order does when something is said of it: a report, an answer, a command, a sourcing result. Pure."""
