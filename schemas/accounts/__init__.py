"""Records of the accounts street: users, keys, webhooks; commands, decisions; mail, deliveries, the audit."""
