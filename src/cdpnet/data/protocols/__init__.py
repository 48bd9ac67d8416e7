"""The rules of published evaluations, one module for each, and the episodes drawn under them."""
