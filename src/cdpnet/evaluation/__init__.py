"""The evaluation loop, and its results with the conditions they were measured under."""
