"""Registered names to bind, and a gin that forgets them all after each test."""

import sys

import gin

from fewshot.binding import config


@gin.register
class DummyNet:
    """A net that is none. It has a second sentence."""

    def __init__(self, encoder=None, loss=None, size=(1, 1), saved_model_path=None):
        self.encoder, self.loss = encoder, loss
        self.size, self.saved_model_path = size, saved_model_path


@gin.register
class DummyLoss:
    """Penalises nothing."""

    def __init__(self, margin=0.2, weights=None):
        self.margin, self.weights = margin, weights


@gin.register
class DummyData:
    def __init__(self, csv_file=None, root_dir=None, label_column="articleType"):
        self.csv_file, self.root_dir, self.label_column = csv_file, root_dir, label_column


@gin.register
class DummyOpen:
    def __init__(self, known=1, **others):
        self.known, self.others = known, others


@gin.configurable
def dummy_main(net=None, num_epochs=1, data=None):
    return net, num_epochs, data


def isolate(monkeypatch):
    """Path and bindings are restored."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    gin.clear_config()


def load_text(folder, text, *bindings):
    """Load a config file of this text, then -p bindings."""
    path = folder / "run.gin"
    path.write_text(text, encoding="utf-8")
    return config.load([str(path)], bindings)
