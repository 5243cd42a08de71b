"""Workers and their reports, as the API sees them."""
