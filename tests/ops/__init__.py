"""What runs Waybill elsewhere: image, compose file, chart. Read as data, and held against the code."""
