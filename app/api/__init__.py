"""One router per resource: parse, one call into the ledger, answer."""
