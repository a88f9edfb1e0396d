"""From what a user asks for to a run that is written down: checked, packed, estimated, submitted."""
