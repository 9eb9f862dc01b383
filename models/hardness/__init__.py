"""How hard a forgetting will be, measured before it is decided how to go about it."""
