"""From text to gin bindings and back: names, files, mistakes, paths."""
