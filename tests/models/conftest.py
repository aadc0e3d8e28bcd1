import pytest

from tests.models.known_model import write_model


@pytest.fixture
def model_path(tmp_path):
    """The file of a little classifier of bags, hats and socks."""
    return write_model(tmp_path / "model.mdl")
