"""The tables, as numbered SQL files. An applied file never changes; every statement may run twice."""
