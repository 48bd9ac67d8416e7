"""The manual: pages in Markdown, and `generation`, which makes its tables from the package."""
