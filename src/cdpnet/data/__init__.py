"""Pictures and masks as episodes."""
