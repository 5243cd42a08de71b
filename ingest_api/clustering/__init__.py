"""The clustering street at the door: points in, clusters and figures out."""
