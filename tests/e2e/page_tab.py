"""What tests of the page share: a tab that notes the errors of its scripts, and how much two pictures differ."""
import contextlib


class PageTab:
    def __init__(self, browser, server, width=1280, height=860):
        self.tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark")
        self.errors = []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.tab.goto(server.url)

    def overflow(self):
        return self.tab.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")


@contextlib.contextmanager
def opener(kind, browser, server):
    """Opens tabs of a kind, and closes them all in the end."""
    pages = []

    def open_one(**size):
        pages.append(kind(browser, server, **size))
        return pages[-1]

    yield open_one
    for page in pages:
        page.tab.close()


@contextlib.contextmanager
def clearing_opener(kind, browser, server):
    """The same; all sessions of the server go in the end."""
    with opener(kind, browser, server) as open_one:
        yield open_one
    for session in server.request("GET", "/v1/sessions")["sessions"]:
        server.request("DELETE", "/v1/sessions/" + session["id"])


@contextlib.contextmanager
def trained_for(browser, *sizes):
    """A browser whose pages hear that of every model."""
    context = browser.new_context(color_scheme="dark")

    def tell(route):
        answer = route.fetch()
        models = answer.json()
        for model in models["models"]:
            model["trained_for"] = {"sizes": [{"width": width, "height": height} for width, height in sizes], "frames": None}
        route.fulfill(response=answer, json=models)
    context.route("**/v1/models", tell)

    class Tabs:
        def new_page(self, **_):
            return context.new_page()
    yield Tabs()
    context.close()


def difference(a, b):
    return sum(abs(x - y) for x, y in zip(a, b)) / len(a)
