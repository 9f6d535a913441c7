"""The top of a page as a picture: `python docs/images/picture.py PAGE.html PICTURE.png`."""

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1100, 1250
CHROMIUM = "/usr/bin/chromium"


def write_picture(page: Path, picture: Path) -> None:
    """Write what a window of WIDTH x HEIGHT pixels shows of `page` to `picture`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        window.goto(page.resolve().as_uri())
        window.screenshot(path=str(picture))
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    asked = parser.parse_args()
    write_picture(asked.page, asked.picture)


if __name__ == "__main__":
    main()
