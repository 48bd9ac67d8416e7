"""Data sets, read from disk or embedded, as episodes of images and masks."""
