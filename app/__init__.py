"""The HTTP front end and the ledger; torch is never loaded here."""
