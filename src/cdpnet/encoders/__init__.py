"""Image and text encoders: `catalogue` lists them, `build` makes them."""
