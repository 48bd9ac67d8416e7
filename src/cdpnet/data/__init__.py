"""Images and masks as episodes."""
