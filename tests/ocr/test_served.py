"""The served reader against a loopback server that answers as a script says."""

from __future__ import annotations

import base64
import http.server
import io
import json
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
from installed import skip_without_paddleocr
from PIL import Image

import evalsuite
from evalsuite import ocr
from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError
from evalsuite.ocr.base import OcrEngine, OcrError
from evalsuite.ocr.many import ManyReader
from evalsuite.records import OcrSpec
from evalsuite.runs.store import RunStore
from evalsuite.scoring import count, score_image

pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")
pytest.importorskip("tenacity", reason="tenacity is not installed (evalsuite[server])")

from evalsuite import http_client
from evalsuite.http_client import ServerError
from evalsuite.ocr import served, textpecker
from evalsuite.ocr.vlm import PROMPT

PATIENCE = 120
"""Seconds after which what never comes is given up."""


def completion(text: object, *, ending: str | None = None, count: int = 1) -> bytes:
    choice = {"message": {"role": "assistant", "content": text}, **({"finish_reason": ending} if ending else {})}
    return json.dumps({"choices": [choice] * count}).encode()


class Server(http.server.ThreadingHTTPServer):
    """Answers the requests with the entries of `script` in turn, and with the last one from then on.

    An entry is the text of a good answer, a number (an HTTP status), bytes (a body with status 200), or a
    function of the request handler that does as it likes.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[object] = ["OPEN"]
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.headers_out: dict[str, str] = {}
        self.under_way = self.most_under_way = 0
        self.seconds = 0.0
        self.together = 1  # nobody is answered before so many requests have been under way at once
        self.met = threading.Event()
        self.released = threading.Event()  # when those that `hang` or `drip` may end
        self.lock = threading.Lock()

    @property
    def name(self) -> str:
        return f"qwen2.5-vl:server=http://127.0.0.1:{self.server_port},model=tiny"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            entry = self.server.script[min(len(self.server.requests), len(self.server.script) - 1)]
            self.server.requests.append(body | {"path": self.path})
            self.server.headers.append(dict(self.headers))
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
            if self.server.under_way >= self.server.together:
                self.server.met.set()
        self.server.met.wait(PATIENCE)
        time.sleep(self.server.seconds)
        with self.server.lock:
            self.server.under_way -= 1
        if callable(entry):
            entry(self)
        elif isinstance(entry, int):
            self.answer(entry, b"<html>sorry</html>", "text/html", **self.server.headers_out)
        else:
            self.answer(200, completion(entry) if isinstance(entry, str) else entry, "application/json")

    def answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


def hang(handler: Handler) -> None:
    handler.server.released.wait(PATIENCE)


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not handler.server.released.wait(0.2):
        handler.wfile.write(b" ")


def drip_headers(handler: Handler) -> None:
    """Headers without end: no read of the socket takes long, and the answer never begins."""
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.released.wait(0.1):
        handler.connection.sendall(b"X-More: 1\r\n")


def hang_up(handler: Handler) -> None:
    handler.connection.close()


def half(handler: Handler) -> None:
    """Half of the announced bytes, then the end."""
    body = completion("OPEN")
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(http_client, "LONGEST_PAUSE", 0.05)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.released.set()
        running.shutdown()


PICTURE = Image.new("RGB", (20, 10), "red")


def texts(lines) -> list[str]:
    return [line.text for line in lines]


def test_the_question_is_the_benchmarks_with_the_picture_as_it_is(server):
    server.script = ["GRAND OPENING\n\n  Open Daily \n"]
    reader = ocr.resolve(server.name)
    assert isinstance(reader, OcrEngine)
    assert isinstance(reader, ManyReader)
    assert texts(reader.read(PICTURE)) == ["GRAND OPENING", "  Open Daily "]
    (request,) = server.requests
    assert (request["path"], request["model"], request["max_tokens"]) == ("/v1/chat/completions", "tiny", 1024)
    assert (request["temperature"], request["repetition_penalty"]) == (0, 1.05)
    picture, question = request["messages"][0]["content"]
    assert question == {"type": "text", "text": PROMPT}
    scheme, data = picture["image_url"]["url"].split(",")
    assert scheme == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).tobytes() == PICTURE.tobytes()
    assert "Authorization" not in server.headers[0]


def test_an_answer_without_text_is_an_empty_reading_and_the_key_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv(served.KEY_VARIABLE, "secret")
    server.script = [""]
    reader = ocr.resolve(server.name)
    assert reader.read(PICTURE) == ()
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert "secret" not in str(reader.spec)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (500, "HTTP 500"),
        (429, "HTTP 429"),
        (b"<html><body>Gateway</body></html>", "not JSON but application/json: '<html>"),
        (completion("OPEN")[:30], "not JSON"),
        (b"", "not JSON but application/json: an empty answer"),
        (b'{"choices": []}', "JSON, but no chat completion"),
        (b"[1, 2]", "JSON, but no chat completion"),
        (completion(None), "a chat completion without text"),
        (half, "RemoteProtocolError"),
        (hang_up, "RemoteProtocolError"),
    ],
)
def test_trouble_that_passes_is_tried_again_and_counted(server, trouble, reason):
    server.script = [trouble, trouble, "OPEN"]
    ((index, answer),) = ocr.resolve(server.name).read_many([lambda: PICTURE])
    assert (index, texts(answer.lines), answer.error) == (0, ["OPEN"], None)
    assert len(server.requests) == 3
    (finding,) = answer.findings
    assert finding.code == "read-retried"
    assert finding.message.startswith("read at attempt 3, after: ")
    assert finding.message.count(reason) == 2


@pytest.mark.parametrize(("trouble", "reason"), [(503, "HTTP 503"), (b"{", "not JSON"), (half, "RemoteProtocolError")])
def test_trouble_that_stays_is_an_error_of_the_image_never_an_empty_text(server, trouble, reason):
    server.script = [trouble]
    with pytest.raises(OcrError, match=rf"http://127.0.0.1:\d+ failed all 3 attempts: .*{reason}"):
        ocr.resolve(server.name + ",attempts=3").read(PICTURE)
    assert len(server.requests) == 3


@pytest.mark.parametrize("trouble", [hang, drip, drip_headers])
def test_a_server_that_never_ends_its_answer_runs_into_the_time_out(server, trouble):
    server.script = [trouble]
    with pytest.raises(OcrError, match="failed all 1 attempts: no whole answer within 1 s"):
        ocr.resolve(server.name + ",attempts=1,timeout=1").read(PICTURE)
    server.released.set()  # only now would the answer have ended


def test_the_pause_doubles_and_the_server_may_name_it(server, monkeypatch):
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():  # servers sleep too
            waited.append(seconds)

    monkeypatch.setattr("tenacity.nap.time.sleep", sleep)
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.5)
    monkeypatch.setattr(http_client, "LONGEST_PAUSE", 6.0)
    server.script = [500]
    with pytest.raises(OcrError):
        ocr.resolve(server.name).read(PICTURE)
    assert [0.5 * 2**n <= pause <= 0.5 * 2**n + 0.5 for n, pause in enumerate(waited)] == [True] * 4
    waited.clear()
    server.headers_out = {"Retry-After": "2"}
    with pytest.raises(OcrError):
        ocr.resolve(server.name).read(PICTURE)
    server.headers_out = {"Retry-After": "3600"}
    with pytest.raises(OcrError):
        ocr.resolve(server.name + ",attempts=2").read(PICTURE)
    assert waited == [2.0] * 4 + [6.0]


def test_what_will_never_work_stops_at_once_and_says_what_to_do(server):
    for status, advice in ((401, served.KEY_VARIABLE), (404, "no such model")):
        server.script = [status]
        before = len(server.requests)
        with pytest.raises(
            ServerError, match=rf"model 'tiny' at http://127.0.0.1:\d+: HTTP {status}: .*{advice}.*sorry"
        ):
            ocr.resolve(server.name).read(PICTURE)
        assert len(server.requests) == before + 1


def test_a_refused_image_is_its_own_error_and_not_tried_again(server):
    server.script = [400, "OPEN"]
    reader = ocr.resolve(server.name)
    with pytest.raises(OcrError, match="HTTP 400: '<html>sorry</html>'"):
        reader.read(PICTURE)
    assert texts(reader.read(PICTURE)) == ["OPEN"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion("OP", ending="length"), "cut at 1024 tokens"),
        (completion("", ending="content_filter"), "the server's filter withheld the answer"),
        (completion("OP", ending="abort"), "the answer ended for 'abort', not 'stop'"),
    ],
)
def test_an_answer_that_is_cut_or_withheld_is_a_failed_reading_and_not_asked_for_again(server, answer, reason):
    server.script = [answer, completion("OPEN", ending="stop")]
    reader = ocr.resolve(server.name)
    with pytest.raises(OcrError, match=reason):
        reader.read(PICTURE)
    assert len(server.requests) == 1
    assert texts(reader.read(PICTURE)) == ["OPEN"]


def test_two_answers_for_one_image_are_none(server):
    server.script = [completion("OPEN", count=2), "OPEN"]
    ((_, answer),) = ocr.resolve(server.name).read_many([lambda: PICTURE])
    assert texts(answer.lines) == ["OPEN"]
    assert answer.findings[0].message == "read at attempt 2, after: 2 answers where one was asked for"


@pytest.mark.parametrize(
    "answer", [completion("key is sk-loopback-1"), 400, b"sk-loopback-1", completion("x", ending="sk-loopback-1")]
)
def test_a_key_that_the_server_sends_back_is_shown_nowhere(server, monkeypatch, answer):
    monkeypatch.setenv(served.KEY_VARIABLE, "sk-loopback-1")
    server.script = [answer]
    if answer == 400:
        server.script = [lambda handler: handler.answer(400, b"bad key sk-loopback-1", "text/plain")]
    ((_, given),) = ocr.resolve(server.name + ",attempts=2").read_many([lambda: PICTURE])
    assert given.error
    assert "sk-loopback" not in repr(given)


def test_a_placeholder_key_is_no_secret_and_may_be_drawn(server, monkeypatch):
    monkeypatch.setenv(served.KEY_VARIABLE, "EMPTY")
    server.script = ["EMPTY"]
    assert texts(ocr.resolve(server.name).read(PICTURE)) == ["EMPTY"]


def test_a_key_that_no_header_may_hold_is_refused_without_showing_it(server, monkeypatch):
    monkeypatch.setenv(served.KEY_VARIABLE, "sk-one\nsk-two")
    with pytest.raises(ServerError, match=f"{served.KEY_VARIABLE}: holds characters") as caught:
        ocr.resolve(server.name).read(PICTURE)
    assert "sk-" not in str(caught.value)


def test_an_address_with_a_password_is_refused_without_showing_it():
    for address in ("http://me:hunter2@h", "http://me:hun,ter2@h", "https://hunter2@h/v1"):
        with pytest.raises(EvalsuiteError, match="user or password") as caught:
            ocr.resolve(f"qwen2.5-vl:server={address}")
        assert "ter2" not in str(caught.value)


def test_an_answer_that_is_far_too_long_is_refused(server, monkeypatch):
    monkeypatch.setattr(served, "MAX_ANSWER_BYTES", 1000)
    server.script = ["x" * 5000]
    with pytest.raises(OcrError, match="more than 1,000 bytes"):
        ocr.resolve(server.name).read(PICTURE)


def test_a_server_that_fails_on_every_image_stops_the_run(server):
    server.script = [500]
    reader = ocr.resolve(server.name + ",attempts=1,concurrency=1")
    answers = []
    with pytest.raises(ServerError, match="the last 5 images failed at every attempt"):
        answers.extend(reader.read_many([lambda: PICTURE] * 50))
    assert 5 <= len(server.requests) <= 7  # a further one may have been under way
    assert [answer.error is not None for _, answer in answers] == [True] * 4


def test_nobody_at_the_address(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(OcrError, match="failed all 2 attempts: ConnectError"):
        ocr.resolve(server.name + ",attempts=2").read(PICTURE)


def test_many_requests_are_under_way_at_once_but_no_more_than_asked(server):
    server.together = 6
    answers = dict(ocr.resolve(server.name + ",concurrency=6").read_many([lambda: PICTURE] * 18))
    assert sorted(answers) == list(range(18))
    assert all(texts(answer.lines) == ["OPEN"] for answer in answers.values())
    assert server.most_under_way == 6


def test_an_image_that_cannot_be_opened_is_its_own_error(server):
    def broken() -> Image.Image:
        raise ImageError("x.png: not a readable image")

    answers = dict(ocr.resolve(server.name).read_many([lambda: PICTURE, broken]))
    assert texts(answers[0].lines) == ["OPEN"]
    assert answers[1].error == "x.png: not a readable image"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("server=", "an address such as"),
        ("server=ftp://here", "an address such as"),
        ("server=http://", "an address such as"),
        ("server=http://h:99999", "an address such as"),
        ("server=http://user:pass@h", "an address with a user or password"),
        ("server=http://h/?key=x", "an address without"),
        ("server=http://h,model=", "the name under which the server has"),
        ("server=http://h,modell=x", "option 'modell=x': known: server=…, model=…"),
        ("server=http://h,server=http://i", "option 'server' is given twice"),
        ("server=http://h,attempts=0", "attempts=0: a whole number from 1 to 20"),
        ("server=http://h,timeout=soon", "timeout=soon: a whole number"),
    ],
)
def test_options_that_are_wrong_are_named(arguments, message):
    with pytest.raises(EvalsuiteError, match=message):
        ocr.resolve(f"qwen2.5-vl:{arguments}")


def test_readings_are_told_apart_by_model_and_question_not_by_address():
    one = ocr.resolve("qwen2.5-vl:server=http://a:1/v1/,model=m,concurrency=2").spec
    other = ocr.resolve("qwen2.5-vl:server=https://b,model=m,timeout=7").spec
    assert one.digest == other.digest
    assert one.versions["server"] == "http://a:1"
    assert one.name == "qwen2.5-vl-served"
    assert one.settings["weights"] == "unverified"
    assert ocr.resolve("qwen2.5-vl:server=http://a,model=n").spec.digest != one.digest


def _spec_elsewhere(name: str) -> OcrSpec:
    return ocr.resolve(name).spec


def test_another_process_resolves_the_same_reader_from_its_name():
    name = "qwen2.5-vl:server=http://127.0.0.1:8000,model=NAME"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_spec_elsewhere, name).result() == ocr.resolve(name).spec


# --- In a run ----------------------------------------------------------------------------------------

SUITE = """\
suite: small
language: en
prompts:
  - {id: one, text: 'A sign "OPEN".', targets: [OPEN]}
  - {id: two, text: 'A sign "SALE".', targets: [SALE]}
  - {id: three, text: 'A sign "CAFE".', targets: [CAFE]}
"""


@pytest.fixture
def images(tmp_path) -> str:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("one", "two", "three"):
        picture = Image.new("RGB", (20, 10), "red")  # one colour alone would be a blank image, which is no drawing
        picture.paste("white", (5, 2, 15, 8))
        picture.save(folder / f"{name}_0.png")
    (tmp_path / "small.yaml").write_text(SUITE)
    return f"folder:{folder}"


def test_a_run_keeps_what_was_read_when_the_server_breaks_and_goes_on_from_there(server, images, tmp_path):
    server.script = ["OPEN", 404, 404]
    arguments = {"out": tmp_path / "run", "ceiling": False, "ocr": server.name + ",concurrency=1"}
    with pytest.raises(ServerError, match="HTTP 404"):
        evalsuite.run([images], [str(tmp_path / "small.yaml")], **arguments)
    store = RunStore.open(tmp_path / "run")
    rows = store.readings(store.manifest.ocr).read()
    assert [texts(row.lines) for row in rows] == [["OPEN"]]
    server.requests.clear()
    server.script = ["SALE", "CAFE"]
    result = evalsuite.run([images], [str(tmp_path / "small.yaml")], **arguments)
    assert len(server.requests) == 2
    assert [(score.status, score.result.targets[0].exact) for score in result.run.scores] == [("scored", True)] * 3


def test_an_image_that_the_server_fails_on_makes_the_run_incomplete_and_is_read_again(server, images, tmp_path):
    server.script = ["OPEN", 500, 500, "CAFE"]
    arguments = {"out": tmp_path / "run", "ceiling": False}
    name = server.name + ",attempts=2,concurrency=1"
    result = evalsuite.run([images], [str(tmp_path / "small.yaml")], ocr=name, **arguments)
    assert [score.status for score in result.run.scores] == ["scored", "unreadable", "scored"]
    assert "failed all 2 attempts: HTTP 500" in result.missing[0].why
    server.requests.clear()
    server.script = ["SALE"]
    result = evalsuite.run([images], [str(tmp_path / "small.yaml")], ocr=name, **arguments)
    assert len(server.requests) == 1
    assert result.complete


def test_a_run_has_many_requests_under_way_and_its_rows_tell_of_retries(server, images, tmp_path):
    server.seconds, server.together = 0.2, 3
    server.script = [503, "OPEN"]
    result = evalsuite.run(
        [images], [str(tmp_path / "small.yaml")], out=tmp_path / "run", ceiling=False, workers=4, ocr=server.name
    )
    assert server.most_under_way == 3
    rows = result.run.store.readings(result.run.ocr).read()
    assert len(rows) == 3
    (retried,) = [row for row in rows if row.findings]
    assert retried.findings[0].message == "read at attempt 2, after: HTTP 503"
    assert all(row.seconds >= 0.2 for row in rows)


def test_a_run_read_again_by_it_remembers_what_it_was(server, images, tmp_path):
    skip_without_paddleocr()
    folder = tmp_path / "run"
    evalsuite.run([images], [str(tmp_path / "small.yaml")], out=folder, ceiling=False, workers=1)
    result = evalsuite.rescore(folder, ocr=server.name)
    store = RunStore.open(folder)
    assert [spec.name for spec in store.engines()] == ["paddle", "qwen2.5-vl-served"]
    assert store.engines()[1] == result.run.ocr
    (folder / "ocr.qwen2.5-vl-served-x.json").write_text("{")
    with pytest.raises(EvalsuiteError, match="not the description of an OCR engine"):
        store.engines()


# --- TextPecker, which marks malformed characters -------------------------------------------------------


def pecker(server) -> str:
    return f"textpecker:server=http://127.0.0.1:{server.server_port}"


def test_textpecker_is_asked_as_it_is_published_and_its_marks_are_characters_of_no_target(server):
    server.script = [json.dumps({"recognized_text": "OPEN D<#>ILY\n今日<#>价 <###>"}, ensure_ascii=False)]
    reader = ocr.resolve(pecker(server))
    assert texts(reader.read(PICTURE)) == ["OPEN D\ufffdILY", "今日\ufffd价 \ufffd\ufffd\ufffd"]
    (request,) = server.requests
    assert (request["model"], request["max_tokens"]) == ("TextPecker", 2048)
    assert (request["temperature"], request["repetition_penalty"]) == (0, 1.2)
    picture, question = request["messages"][0]["content"]
    assert question["text"] == textpecker.PROMPT
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert (reader.spec.name, reader.spec.settings["weights"]) == ("textpecker-served", "unverified")


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ('{"recognized_text": ""}', []),
        ('```json\n{"recognized_text": "A"}\n```', ["A"]),
        ('{"recognized_text": "A\nB"} Note: two lines.', ["A", "B"]),
        ('{"recognized_text": ["A", "<#>B"]}', ["A", "\ufffdB"]),
    ],
)
def test_textpeckers_answers_in_the_forms_that_its_evaluator_takes(answer, lines):
    assert texts(textpecker.marked_lines(answer)) == lines


@pytest.mark.parametrize(
    "answer", ["", "OPEN", '{"recognized_text": "OPEN', '{"text": "OPEN"}', '{"recognized_text": null}', "[1]", '"a}"']
)
def test_what_textpecker_did_not_answer_is_a_failed_reading(server, answer):
    server.script = [completion(answer)]
    ((_, found),) = ocr.resolve(pecker(server)).read_many([lambda: PICTURE])
    assert found.lines == ()
    assert "recognized_text" in found.error
    assert len(server.requests) == 1


def test_a_cut_answer_of_textpecker_is_a_failed_reading(server):
    server.script = [completion('{"recognized_text": "OPEN"}', ending="length")]
    ((_, found),) = ocr.resolve(pecker(server)).read_many([lambda: PICTURE])
    assert "cut at 2048 tokens" in found.error


@pytest.mark.parametrize("profile", ["strict", "standard", "lenient"])
def test_a_malformed_mark_is_a_wrong_character(profile):
    lines = textpecker.marked_lines('{"recognized_text": "OPEN D<#>ILY"}')
    assert count(score_image(("OPEN DAILY",), lines, profile)).edits == 1
