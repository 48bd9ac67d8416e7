"""Many images through a `Segmenter`: a few at once, or a folder as a job that can be stopped and resumed."""
