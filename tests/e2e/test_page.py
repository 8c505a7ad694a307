"""The page in a real browser: what a person sees, and when."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "a red circle moves right on a blue background"

# Draws the video's current picture on a canvas and returns its mean colour and a coarse thumbnail.
LOOK = """() => {
  const video = document.querySelector('video');
  if (!video || video.readyState < 2 || video.videoWidth === 0) return null;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 16;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(video, 0, 0, 16, 16);
  return {time: video.currentTime, width: video.videoWidth, pixels: Array.from(context.getImageData(0, 0, 16, 16).data)};
}"""


def colours(pixels):
    return {tuple(pixels[i : i + 3]) for i in range(0, len(pixels), 4)}


def test_a_prompt_typed_into_the_page_shows_moving_frames_before_the_generation_has_ended(server, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.get_by_role("textbox").first.fill(PROMPT)
    before = {session["id"] for session in server.request("GET", "/v1/sessions")["sessions"]}
    page.get_by_role("button", name=re.compile("generate|watch|start", re.I)).first.click()

    page.wait_for_function(f"() => ({LOOK})() !== null && document.querySelector('video').currentTime > 0", timeout=60_000)
    sessions = server.request("GET", "/v1/sessions")["sessions"]
    mine = next(session for session in sessions if session["id"] not in before)
    first = page.evaluate(LOOK)
    page.wait_for_function(f"() => document.querySelector('video').currentTime > {first['time'] + 0.4}", timeout=60_000)
    later = page.evaluate(LOOK)

    assert mine["state"] not in ("finished", "failed"), f"frames were shown only after the end: {mine}"
    assert len(colours(later["pixels"])) > 4, "the picture is one flat colour"
    assert first["pixels"] != later["pixels"], "the picture does not move"
    (ROOT / "docs" / "images").mkdir(exist_ok=True)
    page.screenshot(path=ROOT / "docs" / "images" / "page.png")
    assert errors == []
    page.close()
    server.request("POST", f"/v1/sessions/{mine['id']}/stop")


def test_the_page_fits_a_phone(server, browser):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(server.url)
    page.get_by_role("textbox").first.wait_for()
    overflow = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0, f"the page is {overflow} px wider than the phone"
    page.close()
