"""The web page of `cdpnet web`: mark a class, segment images, download the results."""
