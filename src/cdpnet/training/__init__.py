"""Episodic training, its runs on disk, and the calibration of thresholds."""
