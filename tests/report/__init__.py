"""Tests of cdpnet.report."""
