"""How fast, and with how much memory: ratios measured side by side in one run. `python -m benchmarks --help`."""
