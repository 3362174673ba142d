"""From a plan to the stages that are compiled, and from these to entries of the manifest."""
