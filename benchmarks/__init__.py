"""What the README's figures come from: each module prints a table and says by which command."""
