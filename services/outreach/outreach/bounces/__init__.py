"""What a refused or returned message says of its recipient and of its sender."""
