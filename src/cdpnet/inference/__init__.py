"""Learn a class from a few images, find it in others."""
