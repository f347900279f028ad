"""The real server on this machine: what its pages show, whom it answers, and that it writes nothing."""

from __future__ import annotations

import html
import re
import shutil

import msgspec
import pytest
import runs_by_hand as handmade
from view_by_hand import serving

import evalsuite
from evalsuite import stats
from evalsuite.errors import EvalsuiteError
from evalsuite.runs import open_run
from evalsuite.sweep.results import Sweep, SweepRow
from evalsuite.view import view_runs
from evalsuite.view.guard import HEADERS
from evalsuite.view.library import Library, id_of
from evalsuite.view.votes import Ballot


@pytest.fixture(scope="module")
def client(runs):
    before = state_of(runs)
    with serving(runs) as opened:
        yield opened
    assert state_of(runs) == before, "nothing is ever written"


def state_of(root):
    """Every file below a folder with its content and its time."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


def text_of(page: str) -> str:
    """What a page says, without its markup and its words for scripts."""
    body = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_list_shows_each_run_with_its_figures_and_what_cannot_be_read(client):
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    told = text_of(page.text)
    assert "4 runs" in told
    # 37 of 39 characters, and all of them.
    assert re.search(r"first 2026-05-04 03:02 Complete signs, signs-zh 3 prompts klein 0\.949 \[", told)
    assert re.search(r"group/second .* klein 1\.000", told)
    assert "not a run's manifest" in told
    assert 'href="/history?model=klein"' in page.text


def test_every_answer_carries_the_headers_and_no_other_host_is_answered(client):
    for path in ("/", "/assets/view.css", "/nothing", f"/run/{id_of('gone')}"):
        answer = client.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS, path
    port = client.base_url.port
    assert client.get("/", headers={"Host": f"localhost:{port}"}).status_code == 200
    for host in (f"attacker.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"[::1]:{port}", ""):
        refused = client.get("/", headers={"Host": host})
        assert (refused.status_code, "klein" in refused.text) == (421, False), host
    assert client.post("/", json={}).status_code == 403
    assert client.delete("/").status_code == 403


def test_without_the_token_of_the_address_nothing_is_shown(runs, tmp_path):
    ballot, ident = Ballot(tmp_path / "votes.jsonl"), id_of("first")
    image = handmade.image_of(open_run(runs / "first").store, "neon-001").stem
    with serving(runs, ballot, token="the-token") as client:
        port = client.base_url.port
        for path in ("/", "/stamp", f"/run/{ident}/images/{image}.png", "/?token=", "/?token=other", "/?token=\u20ac"):
            refused = client.get(path)
            assert (refused.status_code, "klein" in refused.text) == (403, False), path
            assert "the address that &#39;evalsuite view&#39; printed" in refused.text
            assert {name: refused.headers[name] for name in HEADERS} == HEADERS
        assert client.get("/?token=the-token&token=the-token").status_code == 403
        own = {"origin": f"http://127.0.0.1:{port}", "content-type": "application/json"}
        assert client.post("/vote/cast?token=the-token", content="{}", headers=own).status_code == 403
        assert client.get("/assets/view.css").status_code == 200
        for sent in ({"authorization": "Bearer the-token"}, {"cookie": f"a=b; evalsuite-view-{port}=the-token"}):
            assert client.get("/stamp", headers=sent).status_code == 200
        for sent in ({"authorization": "the-token"}, {"cookie": f"evalsuite-view-{port + 1}=the-token"}):
            assert client.get("/stamp", headers=sent).status_code == 403
        admitted = client.get(f"/compare?run={ident}&token=the-token&run=2")
        assert (admitted.status_code, admitted.headers["location"]) == (303, f"/compare?run={ident}&run=2")
        assert admitted.headers["set-cookie"] == f"evalsuite-view-{port}=the-token; Path=/; HttpOnly; SameSite=Lax"
        elsewhere = client.get(f"http://127.0.0.1:{port}//attacker.example/x?token=the-token")
        assert elsewhere.headers["location"] == "/attacker.example/x"
        # From here on the client has the cookie.
        assert "klein" in client.get("/").text
        assert client.get(f"/run/{ident}/images/{image}.png").status_code == 200
        assert client.post("/vote/cast", content="{}", headers=own).status_code == 422


def test_the_printed_address_holds_a_fresh_token_unless_none_is_wanted(runs, monkeypatch):
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    told = []
    for token in (True, True, False):
        evalsuite.view(runs, port=0, token=token, ready=told.append)
    assert [re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", each) is not None for each in told] == [
        True, True, False,
    ]  # fmt: skip
    assert told[0].partition("=")[2] != told[1].partition("=")[2]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", told[2])


def test_kinds_are_told_and_only_known_files_are_served(client):
    assert client.get("/assets/view.css").headers["content-type"] == "text/css; charset=utf-8"
    assert client.get("/assets/live.js").headers["content-type"] == "text/javascript; charset=utf-8"
    for path in ("/assets/shell.py", "/assets/..%2Fshell.py", "/assets/%2Fetc%2Fpasswd", "/run/first"):
        assert client.get(path).status_code == 404, path


def test_a_report_is_made_from_the_rows_and_its_images_are_those_drawn(client, runs):
    ident = id_of("first")
    page = client.get(f"/run/{ident}").text
    assert "NIGHT NOODES" in page
    assert "stored page" not in page
    store = open_run(runs / "first").store
    image = handmade.image_of(store, "neon-001")
    address = f"/run/{ident}/images/{image.stem}.png"
    assert address in page
    got = client.get(address)
    assert (got.headers["content-type"], got.content) == ("image/png", image.read_bytes())
    small = client.get(f"/run/{ident}/thumbs/{image.stem}.webp")
    assert (small.headers["content-type"], small.content[:4]) == ("image/webp", b"RIFF")
    for key in ("0" * 24, "..%2F..%2Fmanifest", image.stem[:-1]):
        assert client.get(f"/run/{ident}/images/{key}.png").status_code == 404


def test_what_others_put_into_a_run_folder_is_not_served(tmp_path):
    root = tmp_path / "reports"
    store = handmade.make_run(root / "run", outcome=handmade.noodes, scored=False)
    outside = tmp_path / "outside"
    secret = handmade.make_run(outside / "secret", scored=False)
    (root / "link").symlink_to(outside, target_is_directory=True)
    swapped, linked = handmade.image_of(store, "neon-001"), handmade.image_of(store, "shop-002")
    swapped.write_bytes(b"\x89PNG\r\n\x1a\nother bytes")
    linked.unlink()
    linked.symlink_to(handmade.image_of(secret, "shop-002"))
    with serving(root) as client:
        assert "secret" not in client.get("/").text
        for image in (swapped, linked):
            answer = client.get(f"/run/{id_of('run')}/images/{image.stem}.png")
            assert (answer.status_code, b"PNG" in answer.content[:8]) == (422, False)


def test_runs_are_compared_and_what_differs_is_named(client):
    first, second, other = (id_of(name) for name in ("first", "group/second", "other"))
    page = client.get("/compare", params={"run": [first, second]})
    assert page.status_code == 200
    assert "klein · second" in page.text
    assert f"/run/{second}/images/" in page.text
    refused = client.get("/compare", params={"run": [first, other]})
    assert refused.status_code == 409
    assert "cannot be compared" in text_of(refused.text)
    assert client.get("/compare").status_code == 422


def test_the_history_puts_apart_what_may_not_be_compared(client):
    page = client.get("/history", params={"model": "klein"})
    told = text_of(page.text)
    assert told.index("signs, signs-zh 3 prompts") < told.index("signs 1 prompt")
    assert page.text.count('id="plot-history"') == 1, "one run alone makes no plot"
    hostile = client.get("/history", params={"model": "<script>alert(1)</script>"})
    assert hostile.status_code == 422
    assert "<script>alert(1)" not in hostile.text


def test_a_sweep_leads_to_the_runs_of_its_checkpoints(runs, tmp_path):
    root = tmp_path / "reports"
    shutil.copytree(runs / "first", root / "sweep" / "step-100")
    interval = stats.mean_interval([0.9] * 9 + [1.0], bounds=(0.0, 1.0))
    row = SweepRow(
        name="step-100", step=100, kind="pipeline", path="x", run="step-100", status="done", character_accuracy=interval
    )
    found = Sweep(
        folder="x", model=None, samples=1, policy="default", policy_digest="0" * 64, baseline="step-100", rows=(row,)
    )
    (root / "sweep" / "sweep.json").write_bytes(msgspec.json.encode(found))
    with serving(root) as client:
        assert f'href="/sweep/{id_of("sweep")}"' in client.get("/").text
        page = client.get(f"/sweep/{id_of('sweep')}")
        assert f'href="/run/{id_of("sweep/step-100")}"' in page.text
        assert "0.910" in text_of(page.text)


def test_a_run_in_progress_is_told_as_json(client):
    page = client.get(f"/live/{id_of('first')}")
    assert f'data-state="/live/{id_of("first")}/now.json"' in page.text
    now = client.get(f"/live/{id_of('first')}/now.json").json()
    assert (now["state"], now["read"], now["planned"]) == ("done", 6, 6)
    assert client.get(f"/live/{id_of('damaged')}").status_code == 422


def test_there_is_no_voting_without_a_votes_file(client):
    both = {"run": [id_of("first"), id_of("group/second")]}
    assert client.get("/vote", params=both).status_code == 404
    assert 'formaction="/vote"' not in client.get("/").text


def test_a_change_is_noticed(runs, tmp_path):
    root = tmp_path / "reports"
    shutil.copytree(runs / "first", root / "first")
    with serving(root) as client:
        stamp = client.get("/stamp").text
        assert client.get("/stamp").text == stamp
        rows = root / "first" / "generations.jsonl"
        rows.write_bytes(rows.read_bytes() + b"{")
        assert client.get("/stamp").text != stamp
        # Its figures are older than its rows now.
        assert f'href="/live/{id_of("first")}"' in client.get("/").text


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(EvalsuiteError, match="no such folder"):
        view_runs(tmp_path / "gone", port=0, votes=None, order_seed=0, has_token=True, ready=print)
    (tmp_path / "votes").write_text("{}\n")
    with pytest.raises(EvalsuiteError, match="votes:1: not a vote"):
        view_runs(tmp_path, port=0, votes=tmp_path / "votes", order_seed=0, has_token=True, ready=print)


def test_a_run_that_goes_while_it_is_asked_for_is_no_crash(runs, tmp_path, monkeypatch):
    root = tmp_path / "reports"
    shutil.copytree(runs / "first", root / "first")
    found = Library(root).entries()
    monkeypatch.setattr(Library, "entries", lambda _: found)
    with serving(root) as client:
        shutil.rmtree(root / "first")
        for path in ("/", f"/run/{id_of('first')}", f"/live/{id_of('first')}/now.json"):
            answer = client.get(path)
            assert (answer.status_code in (200, 422), "Traceback" in answer.text) == (True, False), path
