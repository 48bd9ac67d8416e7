"""The embedded data set: named glyphs of icon fonts, composed into scenes."""
