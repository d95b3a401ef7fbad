"""Templates in versions, the messages made of them, and which of several variants does best."""
