"""The command line, one group of commands a file: arguments in, one call, what people or scripts read out."""
