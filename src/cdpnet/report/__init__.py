"""Tables, plots, contact sheets and galleries for people."""
