"""What will be done, as text: pure functions of the path and of what was found, which ask nobody."""
