"""What a video is made with beside its words, in a real browser: options of the model and presets of them."""
import pytest
from test_page import PROMPT
from test_studio import open_page  # noqa: F401 (the fixture)
from test_studio_states import overflow, violations


def open_settings(page):
    page.tab.locator(".settings summary").click()
    return page.tab.locator(".settings")


def test_the_options_of_the_model_are_sent_and_remembered_until_they_are_reset(server, open_page):  # noqa: F811
    page = open_page()
    settings = open_settings(page)
    assert [label.split("\n")[0] for label in settings.locator("label").all_inner_texts()][:4] == \
        ["Frames per second", "Denoising steps", "Guidance", "Negative prompt"]
    settings.get_by_label("Frames per second").fill("8")
    settings.get_by_label("Solver").select_option("euler")
    settings.get_by_label("Denoising steps").fill("3")
    settings.get_by_label("Negative prompt").fill("fog")
    session = server.request("GET", "/v1/sessions/" + page.generate(PROMPT, "Short"))
    assert session["format"]["fps"] == 8
    assert [session["options"][name] for name in ("solver", "steps", "negative_prompt")] == ["euler", 3, "fog"]
    assert session["ignored"] == []
    page.tab.reload()
    assert page.tab.locator(".settings summary").inner_text() == "Settings · 4 changed"
    settings = open_settings(page)
    assert settings.get_by_label("Denoising steps").input_value() == "3"
    settings.get_by_label("Solver").select_option("few_step")
    assert page.tab.locator(".settings summary").inner_text() == "Settings · 3 changed", "what the model has anyhow is no change"
    settings.get_by_role("button", name="Reset settings").click()
    assert page.tab.locator(".settings summary").inner_text() == "Settings"
    assert settings.get_by_label("Denoising steps").input_value() == ""
    assert server.request("GET", "/v1/sessions/" + page.generate(PROMPT, "Short"))["format"]["fps"] == 16
    assert page.errors == []


def test_a_value_that_is_not_allowed_is_shown_where_it_stands(server, open_page):  # noqa: F811
    page = open_page()
    settings = open_settings(page)
    settings.get_by_label("Frames per second").fill("0")
    page.tab.locator(".settings summary").click()
    page.tab.get_by_role("button", name="Generate").click()
    page.tab.wait_for_function("() => document.querySelector('.settings').open && document.activeElement.matches('.settings input:invalid')")
    assert server.request("GET", "/v1/sessions")["sessions"] == []


def test_presets_are_saved_named_chosen_and_deleted(open_page):  # noqa: F811
    page = open_page()
    settings = open_settings(page)

    def save(name):
        settings.get_by_role("button", name="Save as preset").click()
        page.tab.keyboard.type(name)
        page.tab.keyboard.press("Enter")

    settings.get_by_label("Denoising steps").fill("2")
    save("quick")
    assert settings.get_by_label("Preset").input_value() == "quick"
    page.tab.get_by_text("Endless", exact=True).click()
    settings.get_by_role("button", name="Reset settings").click()
    save("whole night")
    page.tab.reload()
    settings = open_settings(page)
    assert settings.get_by_label("Preset").input_value() == "whole night"
    settings.get_by_label("Preset").select_option("quick")
    assert settings.get_by_label("Denoising steps").input_value() == "2" and page.tab.get_by_label("Medium").is_checked()
    settings.get_by_role("button", name="Delete preset").click()
    assert settings.get_by_label("Preset").locator("option").all_inner_texts() == ["Presets", "whole night"]
    assert settings.get_by_label("Denoising steps").input_value() == "2", "what was chosen stays, and can be saved again"
    assert page.errors == []


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_the_settings_fit_keep_the_rules_of_accessibility_and_are_reached_by_keys(open_page, width):  # noqa: F811
    page = open_page(width=width, height=900)
    page.tab.locator(".settings summary").focus()
    page.tab.keyboard.press("Enter")
    page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Enter")
    page.tab.get_by_label("Name of the preset").wait_for()
    assert violations(page.tab) == [] and overflow(page.tab) <= 0, "a name is typed"
    page.tab.keyboard.press("Escape")
    page.tab.get_by_label("Denoising steps").fill("2")
    assert violations(page.tab) == [] and overflow(page.tab) <= 0
