import gin
import pytest

from fewshot.binding import config
from fewshot.errors import UserError


@pytest.mark.parametrize(
    ("binding", "told"),
    [
        ("main.num_epochs = 'ten'", "main.num_epochs is 'ten': bind a whole number."),
        ("main.num_epochs = 1.5", "main.num_epochs is 1.5: bind a whole number."),
        ("main.num_epochs = True", "main.num_epochs is True: bind a whole number."),
        ("main.num_epochs = None", "main.num_epochs is None: bind a whole number."),
        ("main.num_epochs = [3]", "main.num_epochs is [3]: bind a whole number."),
        ("main.seed = 'x'", "main.seed is 'x': bind a whole number."),
        ("main.validation_fraction = 'a'", "main.validation_fraction is 'a': bind a number."),
        ("KNNClassification.k = 'five'", "KNNClassification.k is 'five': bind a whole number."),
        ("KNN.metric = 3", "KNN.metric is 3: bind a text in quotes."),
        ("Retrieval.exclude_duplicates = 1", "duplicates is 1: bind True or False."),
        (
            "KNNClassification.max_references = 1.0",
            "max_references is 1.0: bind a whole number or None.",
        ),
    ],
)
def test_a_value_of_another_type_is_refused(binding, told):
    with pytest.raises(UserError) as error:
        config.load([], [binding])
    assert str(error.value).endswith(told)


@pytest.mark.parametrize(
    "binding",
    [
        "main.validation_fraction = 0",
        "KNNClassification.max_references = None",
        "NovelEpisodes.n_way = 'all'",
        "TransferNet.frozen = 3",
        "TransferNet.frozen = True",
        "Hardware.precision = '32-true'",
        "torch.optim.Adam.lr = 1",
    ],
)
def test_what_a_parameter_takes_is_bound(binding):
    config.load([], [binding])
    name, value = binding.split(" = ")
    assert gin.query_parameter(name) == eval(value)


def test_a_macro_stands_for_any_value():
    config.load([], ["main.num_epochs = %epochs", "epochs = 3"])
