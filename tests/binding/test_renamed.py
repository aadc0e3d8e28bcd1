import pytest

from fewshot.binding import registry
from fewshot.binding.renamed import _NAMES, _PARAMETERS, now_called
from fewshot.errors import UserError


@pytest.mark.parametrize("old", sorted(_NAMES))
def test_an_old_name_is_refused_with_the_new_one(old):
    with pytest.raises(UserError, match=rf"there is no '{old}'\. It is called {_NAMES[old]} now\."):
        registry.resolve(old)
    assert registry.resolve(_NAMES[old]).endswith(_NAMES[old])


@pytest.mark.parametrize("old", sorted(_PARAMETERS))
def test_an_old_parameter_is_refused_with_the_new_one(old):
    owner, parameter = old.split(".")
    full = registry.resolve(owner)
    new = _PARAMETERS[old]
    with pytest.raises(UserError, match=rf"no parameter '{parameter}'\. It is called {new} now\."):
        registry.check_parameter(full, parameter)
    owner, parameter = new.split(".")
    registry.check_parameter(registry.resolve(owner), parameter)


def test_other_names_are_not_taken_for_old_ones():
    assert now_called("GalleryClassification.head") == ""
    assert now_called("LinearClassifier") == ""
