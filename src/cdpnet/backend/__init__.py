"""The ML backend of Label Studio: masks for its tasks and clicks, learned from its annotations."""
