"""The `openai` client library against a running server: its types and helpers are the judge of /v1/videos."""
import io
import subprocess

import openai
import pytest
from conftest import Server
from PIL import Image

PROMPT = "a red circle moves right on a blue background"


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def video_frames(path):
    probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-of", "csv=p=0",
                            "-show_entries", "stream=nb_read_frames", path], capture_output=True, text=True, check=True)
    return int(probe.stdout.strip().rstrip(","))


def listed(client, **order):
    """Ids of all videos; other tests may have left some with this server."""
    return [each.id for each in client.videos.list(**order)]


def test_a_video_is_created_polled_downloaded_listed_and_deleted(client, tmp_path):
    others = listed(client)
    video = client.videos.create_and_poll(prompt=PROMPT, seconds="1")
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert video.completed_at >= video.created_at
    client.videos.download_content(video.id).write_to_file(tmp_path / "video.mp4")
    assert video_frames(tmp_path / "video.mp4") == 16
    assert listed(client) == [video.id, *others]
    deleted = client.videos.delete(video.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)


def test_a_download_may_begin_before_the_video_is_complete_and_a_remix_keeps_its_shape(client, tmp_path):
    others = listed(client, order="asc")
    video = client.videos.create(prompt=PROMPT, seconds="2")
    assert video.status in ("queued", "in_progress")
    client.videos.download_content(video.id).write_to_file(tmp_path / "growing.mp4")
    assert video_frames(tmp_path / "growing.mp4") == 32
    remix = client.videos.remix(video.id, prompt="a green square moves left on a black background")
    assert (remix.remixed_from_video_id, remix.size, remix.seconds) == (video.id, video.size, video.seconds)
    pages = client.videos.list(limit=1, order="asc")
    assert pages.has_next_page()
    assert [each.id for each in pages] == [*others, video.id, remix.id]
    for each in (video, remix):
        client.videos.delete(each.id)


def test_refusals_are_the_exceptions_that_the_library_has_for_them(client):
    with pytest.raises(openai.BadRequestError, match="seconds"):
        client.videos.create(prompt=PROMPT, seconds="long")
    with pytest.raises(openai.NotFoundError, match="sora-2"):
        client.videos.create(prompt=PROMPT, model="sora-2")
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("video_123")
    with pytest.raises(openai.APIStatusError, match=r"picture|image") as refused:
        client.videos.create(prompt=PROMPT, input_reference=("a.png", b"no picture", "image/png"))
    assert refused.value.status_code == 415


def test_a_picture_comes_along_as_a_file(client):
    picture = io.BytesIO()
    Image.new("RGB", (128, 128), "blue").save(picture, "PNG")
    try:
        video = client.videos.create(prompt=PROMPT, seconds="1", input_reference=("first.png", picture.getvalue(), "image/png"))
        client.videos.delete(video.id)
    except openai.BadRequestError as refused:  # read, and refused by a model that takes no picture
        assert "image" in str(refused)


def test_a_model_serves_under_the_name_that_clients_expect(binary, tmp_path):
    config = tmp_path / "serve.yaml"
    config.write_text("alias: [sora-2=rushes-shapes]\n")
    server = Server(binary, tmp_path / "data", "--talk-model", "none", "--config", str(config))
    try:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        assert [model.id for model in client.models.list()] == ["rushes-shapes", "sora-2"]
        video = client.videos.create_and_poll(prompt=PROMPT, model="sora-2", seconds="1", extra_body={"seed": -1})
        assert (video.status, video.model) == ("completed", "rushes-shapes")
        assert isinstance(video.seed, int) and video.ignored == []
    finally:
        server.stop()


def test_the_model_list_is_the_librarys(client):
    assert [model.id for model in client.models.list()] == ["rushes-shapes", "shipped-talk", "shipped-ditto", "shipped-avatar", "shipped-foresight"]
