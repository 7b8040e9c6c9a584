"""Everything for trying Waybill out on one machine: vendors' simulators, a local broker, the demo, the benchmark.

Nothing outside imports it but the command line, and there only the commands that are about it.
"""
