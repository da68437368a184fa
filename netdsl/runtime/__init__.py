"""Small pure functions that emitted code may need; their source is copied into it."""
