"""The evaluation loop, and results with all that must be said beside them."""
