"""The live bridge: from the log's outcomes to subscribers over SSE and WebSocket, as they happen."""
