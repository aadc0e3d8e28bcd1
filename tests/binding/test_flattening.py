import copy

import gin
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.binding import config
from fewshot.binding.flattening import flat_text
from fewshot.errors import UserError
from tests.binding.dummies import isolate, load_text

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()
)
VALUES = st.recursive(
    LEAVES,
    lambda items: st.one_of(
        st.lists(items, max_size=6),
        st.lists(items, max_size=6).map(tuple),
        st.dictionaries(st.text() | st.integers(), items, max_size=4),
    ),
    max_leaves=20,
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    isolate(monkeypatch)
    yield
    gin.clear_config()


@given(value=VALUES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_is_read_back_as_it_was(tmp_path, value):
    gin.clear_config()
    config.bind("DummyOpen.known", value)
    text = flat_text()
    load_text(tmp_path, text)
    assert gin.get_configurable("DummyOpen")().known == value
    assert flat_text() == text


def test_bindings_of_every_kind_come_back_as_they_were(tmp_path):
    (tmp_path / "flattened_plug_in.py").write_text(
        "import gin\n\n\n@gin.register\ndef flattened(value=1):\n    return value\n"
    )
    loaded = load_text(
        tmp_path,
        "import flattened_plug_in\n"
        "wide = 0.5\n"
        "deep/wide = [%wide, @flattened]\n"
        "dummy_main.net = @a/b/DummyNet\n"
        "dummy_main.data = {'x': [@DummyData(), @test/DummyData], 3: (1,)}\n"
        "DummyNet.loss = [@DummyLoss, @flattened, @torch.nn.CrossEntropyLoss, 'long' 'er',"
        " 'so long that it must be broken', 1e-30, -1]\n"
        "a/b/DummyNet.size = %deep/wide\n"
        "test/DummyData.label_column = None\n"
        "CrossEntropyLoss.label_smoothing = 0.1\n"
        "once/gin.singleton.constructor = @DummyLoss\n"
        "a/DummyNet.loss = @once/gin.singleton()\n",
        "DummyLoss.margin = -.5",
    )
    bound = copy.copy(gin.config._CONFIG)
    again = load_text(tmp_path, loaded.text)
    assert dict(gin.config._CONFIG) == bound
    assert again.text == loaded.text
    assert "torch.nn.CrossEntropyLoss.label_smoothing = 0.1" in loaded.text
    assert "a/b/DummyNet.size = %deep/wide" in loaded.text
    assert "wide = 0.5" in loaded.text
    assert all(len(line) <= 100 for line in loaded.text.splitlines())


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_what_no_config_can_hold_is_refused_by_name(value):
    config.bind("test/DummyOpen.known", value)
    with pytest.raises(UserError, match=r"test/DummyOpen\.known is .*no config can hold"):
        flat_text()
