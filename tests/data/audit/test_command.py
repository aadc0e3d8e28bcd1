"""The audit's command line on little shops whose leaks are known."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fewshot.__main__ import main as door
from fewshot.data.audit.command import audit
from fewshot.data.images.store import open_store


def photo(seed):
    """A smooth random picture, as photographs are: 48 x 36 from 6 x 5 colours."""
    colours = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((36, 48), Image.Resampling.BICUBIC)


@pytest.fixture
def shop(tmp_path):
    """root/images, and train.csv and test.csv that share what the names of the ids say."""
    (tmp_path / "images").mkdir()
    pictures = {f"train{n}": (photo(n), "Bags" if n % 2 else "Hats") for n in range(8)}
    pictures["exact"] = (photo(1), "Bags")
    pictures["conflict"] = (photo(2), "Socks")
    pictures["within"] = (photo(3), "Socks")
    pictures["other"] = (photo(100), "Bags")
    pictures["blank"] = (Image.new("RGB", (36, 48), "white"), "Bags")
    for image_id, (picture, _) in pictures.items():
        picture.save(tmp_path / "images" / f"{image_id}.png")
    pictures["near"] = (photo(4), "Hats")
    photo(4).save(tmp_path / "images" / "near.jpg", quality=80, subsampling=0)
    train = [*(f"train{n}" for n in range(8)), "within"]
    test = ["exact", "conflict", "near", "other", "blank", "train5"]
    for name, ids in (("train", train), ("test", test)):
        rows = [(image_id, pictures[image_id][1]) for image_id in ids]
        table = pd.DataFrame(rows, columns=["id", "articleType"])
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def found(table):
    columns = ["kind", "id", "other_id", "labels_differ"]
    return {tuple(row) for row in table[columns].itertuples(index=False)}


LEAKS = {
    ("id in both", "train5", "train5", False),
    ("exact duplicate", "exact", "train1", False),
    ("exact duplicate", "conflict", "train2", True),
    ("exact duplicate", "within", "train3", True),
    ("near duplicate", "near", "train4", False),
}


def main(arguments):
    return door(["audit", *arguments])


def command(shop, *more):
    csvs = [str(shop / "train.csv"), str(shop / "test.csv")]
    return main([*csvs, "--root", str(shop), "--output", str(shop / "out"), *more])


def test_leaks_are_found_named_and_pictured(shop, capsys):
    assert command(shop) == 0
    table = pd.read_csv(shop / "out" / "audit.csv")
    assert found(table) == LEAKS
    row = table[table["id"] == "conflict"].iloc[0]
    assert (row["label"], row["other_label"]) == ("Socks", "Hats")
    assert row["other_file"] == str(shop / "train.csv")
    assert 0 < table[table["kind"] == "near duplicate"]["distance"].item() < 0.1
    with Image.open(shop / "out" / "audit.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape[1] > 4 * 200  # four pairs side by side
    assert (pixels < 250).any(axis=2).mean() > 0.3
    printed = capsys.readouterr().out
    assert "14 images compared" in printed
    assert "exact duplicate       3, 2 of them with different labels" in printed


def test_no_label_is_a_formula_in_what_a_spreadsheet_opens(shop):
    train = pd.read_csv(shop / "train.csv")
    train.replace({"articleType": {"Hats": '=HYPERLINK("x")'}}).to_csv(
        shop / "train.csv", index=False
    )
    assert command(shop) == 0
    table = pd.read_csv(shop / "out" / "audit.csv").set_index("id")
    assert table.loc["conflict", "other_label"] == '\'=HYPERLINK("x")'


def test_strict_exits_1_when_something_is_found(shop):
    assert command(shop, "--strict") == 1
    clean = pd.read_csv(shop / "test.csv")
    clean = clean[clean["id"].isin(["other", "blank"])]
    clean.to_csv(shop / "test.csv", index=False)
    train = pd.read_csv(shop / "train.csv")
    train[train["id"] != "within"].to_csv(shop / "train.csv", index=False)
    assert command(shop, "--strict") == 0
    assert len(pd.read_csv(shop / "out" / "audit.csv")) == 0
    assert not (shop / "out" / "audit.png").exists(), "the pictures of an older audit"


def test_within_also_compares_the_rows_of_each_csv(shop):
    for name in ("near.jpg", "exact.png"):
        (shop / "images" / name).rename(shop / "images" / f"more_{name}")
    rows = pd.read_csv(shop / "train.csv")
    rows.loc[len(rows)] = ["more_near", "Hats"]
    rows.loc[len(rows)] = ["more_exact", "Bags"]
    rows.to_csv(shop / "train.csv", index=False)
    inside = {
        ("exact duplicate", "within", "train3", True),
        ("exact duplicate", "more_exact", "train1", False),
        ("near duplicate", "more_near", "train4", False),
    }
    alone = audit([shop / "train.csv"], shop)
    assert found(alone.findings) == inside
    both = [shop / "train.csv", shop / "test.csv"]
    assert found(audit(both, shop, within=True).findings) >= inside
    assert not found(audit(both, shop).findings) & (inside - LEAKS)


def test_labels_are_compared_only_where_there_are_labels(shop, caplog):
    with caplog.at_level("WARNING", logger="fewshot"):
        report = audit([shop / "train.csv", shop / "test.csv"], shop, label_column="season")
    assert not report.findings["labels_differ"].any()
    assert "has no column 'season': its labels are not compared (--label-column" in caplog.text


def test_images_that_are_missing_are_counted_not_refused(shop):
    (shop / "images" / "other.png").unlink()
    report = audit([shop / "train.csv", shop / "test.csv"], shop)
    assert report.missing == ["other"]
    assert "13 images compared; 1 ids have none: other" in report.summary()


def test_wrong_input_exits_2_with_the_reason(shop, capsys):
    assert main([str(shop / "nothing.csv"), "--root", str(shop)]) == 2
    assert "nothing.csv" in capsys.readouterr().err
    assert command(shop, "--bits", "70") == 2
    assert "error: bits is 70: hashes have 64 bits, give 0 to 64." in capsys.readouterr().err
    assert command(shop, "--distance", "-1") == 2
    assert "distance is -1.0: give 0 or more, such as 0.1." in capsys.readouterr().err
    (shop / "empty" / "images").mkdir(parents=True)
    csv = str(shop / "train.csv")
    assert main([csv, "--root", str(shop / "empty"), "--output", str(shop / "out")]) == 2
    assert "none of the 9 ids has a readable image under" in capsys.readouterr().err
    (shop / "file").write_text("")
    arguments = [csv, "--root", str(shop), "--output", str(shop / "file")]
    assert main(arguments) == 2
    assert "Give another --output." in capsys.readouterr().err


def test_a_csv_that_is_a_copy_of_the_other_is_all_findings(shop):
    (shop / "copy.csv").write_text((shop / "train.csv").read_text())
    report = audit([shop / "train.csv", shop / "copy.csv"], shop)
    assert (report.findings["kind"] == "id in both").sum() == 9


def test_images_in_one_array_are_compared_too(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    images[3] = images[0]
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "images_ids.txt").write_text("a\nb\nc\nd\n")
    for name, ids in (("train", "ab"), ("test", "cd")):
        lines = ["id,articleType", *(f"{image_id},Bag" for image_id in ids)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    report = audit([tmp_path / "train.csv", tmp_path / "test.csv"], tmp_path)
    assert found(report.findings) == {("exact duplicate", "d", "a", False)}
    picture = open_store(tmp_path).picture("b")
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture)[..., 1], images[1])


def test_each_csv_may_have_its_own_root(shop, tmp_path):
    """Ids that two shops both use are not the same image, and equal images are found across."""
    other = tmp_path / "other"
    (other / "images").mkdir(parents=True)
    for n, seed in enumerate((2, 50, 51)):
        photo(seed).save(other / "images" / f"train{n}.png")
    rows = [(f"train{n}", "Hats") for n in range(3)]
    pd.DataFrame(rows, columns=["id", "articleType"]).to_csv(other / "test.csv", index=False)
    csvs = [shop / "train.csv", other / "test.csv"]
    report = audit(csvs, [shop, other])
    assert {row for row in found(report.findings) if row[1] == "train0"} == {
        ("exact duplicate", "train0", "train2", False)
    }
    assert "id in both" not in set(report.findings["kind"])
    assert report.images == 12
    arguments = [str(csv) for csv in csvs]
    roots = ["--root", str(shop), "--root", str(other)]
    assert main([*arguments, *roots, "--output", str(shop / "out")]) == 0
    assert (shop / "out/audit.png").is_file()


def test_roots_belong_to_csvs(shop, capsys):
    assert command(shop, "--root", str(shop), "--root", str(shop)) == 2
    assert "3 roots are given for 2 CSVs: give one --root for all, or one for each CSV" in (
        capsys.readouterr().err
    )


def test_a_clean_csv_has_no_leaks_left(shop, capsys):
    assert command(shop, "--write", str(shop / "clean.csv")) == 0
    assert f"{shop}/clean.csv: {shop}/test.csv without 4 rows" in capsys.readouterr().out
    assert pd.read_csv(shop / "clean.csv")["id"].tolist() == ["other", "blank"]
    left = audit([shop / "train.csv", shop / "clean.csv"], shop).findings
    assert not (left["file"] == str(shop / "clean.csv")).any()
    assert command(shop, "--write", str(shop / "test.csv")) == 2
    assert "test.csv is a CSV that was read: give another name" in capsys.readouterr().err


def test_groups_keep_twins_on_one_side_of_a_split(shop, capsys):
    assert command(shop, "--groups", str(shop / "groups.csv")) == 0
    assert "groups.csv: 4 groups of several images, the largest of 2" in capsys.readouterr().out
    table = pd.read_csv(shop / "groups.csv")
    assert len(table) == table["id"].nunique() == 14
    group = dict(zip(table["id"], table["group"], strict=True))
    twins = {"exact": "train1", "conflict": "train2", "within": "train3", "near": "train4"}
    assert group == {image_id: twins.get(image_id, image_id) for image_id in group}
    split = ["splits", str(shop / "groups.csv"), str(shop / "splits"), "--test-fraction", "0.3"]
    assert door([*split, "--group-column", "group", "--top", "2"]) == 0
    sides = [set(pd.read_csv(shop / f"splits/{side}.csv")["group"]) for side in ("train", "test")]
    assert not sides[0] & sides[1]
    table.to_csv(shop / "train.csv", index=False)
    assert command(shop, "--groups", str(shop / "more.csv")) == 2
    assert "a column 'group' is there already: rename it." in capsys.readouterr().err
