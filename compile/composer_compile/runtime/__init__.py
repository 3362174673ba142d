"""Running an artifact. Nothing in this room needs what made the artifact."""
