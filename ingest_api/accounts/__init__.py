"""Accounts as the settings give them: one administrator, and API keys."""
