"""What is personal, sealed."""
