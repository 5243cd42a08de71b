"""Where an event flows: topics to steps to topics. The only floor that knows Faust."""
