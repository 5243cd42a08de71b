"""What decides over entities, whatever their kind: commands, deciders, the ledger of a partition."""
