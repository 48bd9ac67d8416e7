"""The network of the paper, part by part; `build` makes one by name."""
