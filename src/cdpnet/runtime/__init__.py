"""What every layer may use: devices, processes, random numbers, counts of pixels, provenance."""
