"""Looks at other moments of a video, with the pointer over its time line."""
import pytest
from test_page import PROMPT
from test_studio import finished, open_page  # noqa: F401 (the fixtures)
from test_studio_states import overflow, violations
from waiting import wait_for

# What the look shows, as one number per colour: its frames tell apart.
COLOURS = """() => {
  const shown = document.querySelector('.preview :is(video, img)');
  if (!shown || (shown.tagName === 'VIDEO' && (shown.readyState < 2 || shown.seeking))) return null;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 16;
  canvas.getContext('2d').drawImage(shown, 0, 0, 16, 16);
  return canvas.toDataURL();
}"""


def point(page, part):
    """The pointer over this part of the line."""
    box = page.tab.get_by_role("slider", name="Time line").bounding_box()
    page.tab.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2)


@pytest.mark.parametrize("width", [390, 1440])
def test_a_pointer_over_the_time_line_shows_that_moment_and_leaves_the_stage_alone(open_page, finished, width):  # noqa: F811
    page = open_page(width=width, height=900)
    page.tab.locator(".block.complete").first.wait_for()
    page.tab.locator(".timeline").scroll_into_view_if_needed()
    looks = []
    for part, time in ((0.01, "0:00"), (0.5, "0:01"), (0.98, "0:02")):
        point(page, part)
        page.tab.locator(".preview b").get_by_text(time).wait_for()
        page.tab.wait_for_function("(at) => Math.abs(document.querySelector('.preview video').currentTime - at) < 0.1", arg=part * 41 / 16)
        looks.append(wait_for(lambda: page.tab.evaluate(COLOURS)))
        box = page.tab.locator(".preview").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and overflow(page.tab) <= 0
    assert len(set(looks)) == 3
    assert "a yellow star" in page.tab.locator(".preview").inner_text()
    assert page.at() == 0, "the stage shows what it showed"
    assert violations(page.tab) == []
    page.tab.mouse.move(5, 5)
    page.tab.locator(".preview").wait_for(state="hidden")
    assert page.errors == []


def test_of_a_video_that_is_being_made_what_was_shown_can_be_looked_at(open_page):  # noqa: F811
    page = open_page()
    page.generate(PROMPT, "Endless")
    page.wait_until_plays(2.5)
    point(page, 0.02)
    page.tab.locator(".preview img").wait_for()
    assert page.tab.evaluate(COLOURS) is not None and PROMPT in page.tab.locator(".preview").inner_text()
    page.tab.get_by_role("button", name="Stop", exact=True).click()
    page.tab.get_by_text("Download").wait_for()
    point(page, 0.5)
    page.tab.locator(".preview video").wait_for()


def test_what_is_still_to_come_has_no_picture(open_page):  # noqa: F811
    page = open_page()
    page.generate(PROMPT, "Long")
    page.wait_until_plays(0.5)
    point(page, 0.97)
    page.tab.locator(".preview").get_by_text("still to come").wait_for()
    assert page.count(".preview :is(video, img)") == 0
    page.tab.get_by_role("button", name="Stop", exact=True).click()
