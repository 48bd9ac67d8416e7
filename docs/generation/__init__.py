"""Parts of the manual that are made from the package when the manual is built; `pages.fill` puts them in."""
