"""The protocols of published evaluations, one module each, and the episodes of data sets on disk under them."""
