"""What is personal: who is shown it, how it is exported, and how a person is erased."""
