"""Image files and the packs they are decoded into."""
