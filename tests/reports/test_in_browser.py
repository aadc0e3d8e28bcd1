"""The report as a browser shows it: sorting, cells that open, hovering, phones."""

import pandas as pd
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from fewshot.sections import Images, Picture, Section, Table
from tests.browsing import browser, console_errors, requested
from tests.reports.test_images_page import LAYOUT, images, matrix, write

pytestmark = pytest.mark.browser


@pytest.fixture
def page(tmp_path):
    table = pd.DataFrame({"class": ["b", "a", "c"], "n": [9, 1000, 50], "top1": [0.5, 0.25, 1.0]})
    sections = [
        Section("Per class", [Table("per_class.csv", table)], 1),
        Section("Cells", [matrix()], 2),
        Section("Odd", [images()], 3),
    ]
    write(tmp_path, sections)
    return tmp_path / "report.html"


@pytest.mark.parametrize("width", [1280, 390])
def test_tables_sort_cells_open_and_nothing_leaves_the_machine(page, tmp_path, width):
    with browser(tmp_path / "profile", width=width) as driver:
        driver.get(page.as_uri())

        def all_of(selector):
            return driver.find_elements(By.CSS_SELECTOR, selector)

        def classes():
            return [cell.text for cell in all_of("#s0 tbody td:first-child")]

        name, n = all_of("#s0 th")[:2]
        orders = []
        for head in (n, n, name):
            head.click()
            orders.append(classes())
        assert orders == [["a", "c", "b"], ["b", "c", "a"], ["a", "b", "c"]]

        (cell,), (said,), (opened,) = (
            all_of(selector) for selector in ("[data-cell='1-0']", ".said", ".opened")
        )
        assert not opened.is_displayed()
        driver.execute_script("arguments[0].scrollIntoView()", said)
        ActionChains(driver).move_to_element(cell).perform()
        words = "a taken for </script>b, 10 images (25.0 % of the class)"
        assert said.text == words
        cell.click()
        assert opened.text.startswith(f"{words}; 3 are shown, the surest first")
        tiles = all_of(".opened i")
        assert [tile.get_attribute("aria-label") for tile in tiles] == ["id0", "id1", "id2"]
        assert tiles[1].value_of_css_property("background-position") == "-56px 0px"
        assert tiles[1].size == {"width": 56, "height": 56}
        all_of("[data-cell='1-1']")[0].click()
        assert all_of(".opened i") == []

        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(wide) <= 0
        assert console_errors(driver) == []
        assert all(address.startswith("file:") for address in requested(driver))


def test_captions_break_at_no_letter_and_wide_pictures_scroll_in_a_narrow_window(tmp_path):
    lines = [("1: Bags", str(i), name, i, "") for i, name in enumerate(["Sunglasses", "x" * 60])]
    frame = pd.DataFrame(lines, columns=["row", "id", "caption", "tile", "verdict"])
    shown = Images("tables/odd.csv", frame.astype({"tile": "Int64"}), LAYOUT)
    Image.new("RGB", (1260, 468)).save(tmp_path / "wide.png")
    curves = Section("Curves", [Picture("wide.png", "Curves")], 1)
    write(tmp_path, [curves, Section("Odd", [shown], 2)])
    with browser(tmp_path / "profile", width=500) as driver:
        driver.get((tmp_path / "report.html").as_uri())
        whole, broken = driver.find_elements(By.CSS_SELECTOR, ".tile small")
        assert whole.size["height"] < 20  # one line
        assert broken.size["width"] <= 110
        (picture,) = driver.find_elements(By.CSS_SELECTOR, "figure img")
        assert picture.size["width"] > 0.6 * 1260
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(wide) <= 0
