import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fewshot.data.statistics import channel_covariance


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 3), st.just(3), st.just(4)))
)
def test_the_covariance_is_numpys(images):
    source = torch.from_numpy(images)
    found = channel_covariance(lambda rows: source[torch.from_numpy(rows)], len(images), 100)
    pixels = images.transpose(1, 0, 2, 3).reshape(images.shape[1], -1) / 255
    np.testing.assert_allclose(found, np.atleast_2d(np.cov(pixels, bias=True)), atol=1e-9)
