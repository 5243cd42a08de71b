"""The kill campaign: a system under load whose processes are killed, frozen and restarted, and the proof afterwards."""
