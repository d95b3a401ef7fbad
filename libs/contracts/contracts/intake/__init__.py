"""Messages of intake, a module for each of its subjects."""
