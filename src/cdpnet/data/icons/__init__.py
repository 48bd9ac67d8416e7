"""The embedded data set: named drawings of icon fonts, composed into scenes."""
