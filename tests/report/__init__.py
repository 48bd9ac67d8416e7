"""Tests of the package report."""
