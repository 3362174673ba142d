"""The file format of an artifact: its manifest, its weights, its files, and what is told of them."""
