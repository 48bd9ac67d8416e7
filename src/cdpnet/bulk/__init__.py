"""Segment many images: a few files, or a folder as a job that can be stopped and resumed."""
