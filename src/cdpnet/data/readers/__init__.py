"""Readers of data sets on disk, one module for each format, behind the interface in `reader`."""
