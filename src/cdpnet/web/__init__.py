"""The page: paint a class, name it, see it found. It asks the `Segmenter` and writes through `labels/`."""
