"""A model file used on photos: which photos, decoded in step with the model, what it answers."""
