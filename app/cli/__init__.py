"""The `lacuna` command."""
