"""Masks in and out of the files that labelling tools read and write."""
