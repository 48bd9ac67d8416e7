"""Weights that come with the package: the tiny encoder and its trained heads."""
