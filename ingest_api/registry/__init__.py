"""The Schema Registry read API: Confluent's serializers in any language find the checked-in schemas here."""
