"""What an event is: records, their topics, their bytes. Imports nothing else of the project."""
