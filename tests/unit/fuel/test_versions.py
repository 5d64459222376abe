import pytest

from octane.errors import BadInput
from octane.fuel import versions


def test_numbers_are_compared_not_text():
    assert versions.parse("10.0") > versions.parse("9.0")
    assert versions.fuel_version("2015.1.0-7.0") > versions.fuel_version("2014.2.2-6.1")
    assert versions.fuel_version("2014.2.2-6.0.1") < versions.fuel_version("2014.2.2-6.1")


@pytest.mark.parametrize("text", ["", "7.0-mos", "kilo", "7.", None])
def test_what_is_no_version_is_bad_input(text):
    with pytest.raises(BadInput):
        versions.parse(text)


def test_text_is_the_inverse():
    assert versions.text(versions.fuel_version("2015.1.0-7.0")) == "7.0"
