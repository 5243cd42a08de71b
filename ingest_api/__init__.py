"""The door: what enters and leaves the log over HTTP, WebSocket and SSE, and who may do so."""
