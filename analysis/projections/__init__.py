"""Pictures that bend space to keep neighbours together: UMAP, t-SNE and PaCMAP, computed in a process of their own."""
