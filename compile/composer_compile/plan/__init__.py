"""`composer compile --plan`: what a backend would run, without weights or GPU."""
