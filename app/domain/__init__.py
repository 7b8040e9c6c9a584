"""The order, its lines and how events change them. Pure: no I/O, clock, random or Faust."""
