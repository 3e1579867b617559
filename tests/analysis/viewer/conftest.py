"""One browser for all tests of the page."""

import pytest

from tests.analysis.viewer.browser import Browser, chromium


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    browser = Browser(chromium(), tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()
