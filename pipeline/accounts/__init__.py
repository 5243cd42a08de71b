"""What is done to accounts: sealing, and the deciders of users, keys and webhooks."""
