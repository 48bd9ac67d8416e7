"""The network of the paper, one module for each part; `build` makes a network by name."""
