from fewshot.binding.suggestions import closest, did_you_mean


def test_the_nearest_comes_first_whatever_its_case():
    assert closest("tripletnet", ["RotationNet", "TripletNet", "TripletLoss"])[0] == "TripletNet"


def test_a_dotted_name_is_found_by_its_last_part():
    assert closest("Adamm", ["torch.optim.Adam", "torch.optim.SGD"]) == ["torch.optim.Adam"]
    assert closest("torch.optm.Adam", ["torch.optim.Adam"]) == ["torch.optim.Adam"]


def test_nothing_near_is_nothing_said():
    assert did_you_mean("zebra", ["TripletNet"]) == ""
    assert did_you_mean("alpha", []) == ""


def test_the_question():
    assert did_you_mean("alph", ["alpha"]) == " Did you mean alpha?"
    assert did_you_mean("alpha", ["alphas", "alphab"]).count(" or ") == 1
