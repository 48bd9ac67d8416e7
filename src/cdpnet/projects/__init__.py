"""Projects: a folder with images, classes, examples, masks and what a person has said about them."""
