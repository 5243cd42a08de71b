"""Entities at the door: their views, commands that change them, and lists of them."""
