"""Records of the clustering street: points, clusters, drift."""
