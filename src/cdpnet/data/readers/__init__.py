"""Data sets on disk, one module for each format, behind the interface of `reader`."""
