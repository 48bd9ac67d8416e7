"""Learn classes from a few images and segment them in others."""
