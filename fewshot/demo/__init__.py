"""The live demo: a page of one's own machine that shows a model what a camera or a photo shows."""
