"""Chat templates that never end or write without bound are refused; what others say of theirs is read as it is."""

from __future__ import annotations

import json

import pytest

from evalsuite import chat_templates
from evalsuite.chat_templates import check_chat_templates
from evalsuite.errors import EvalsuiteError

pytest.importorskip("jinja2")

GOOD = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for c in m.content %}{% if c.type == 'image' %}<|image_pad|>{% else %}{{ c.text }}{% endif %}{% endfor %}"
    "{% endif %}{% generation %}<|im_end|>{% endgeneration %}{% endfor %}{{ tools | tojson }}"
)


@pytest.fixture(autouse=True)
def _one_second(monkeypatch):
    monkeypatch.setattr(chat_templates, "CPU_SECONDS", 1)
    chat_templates._fault_of.cache_clear()


@pytest.mark.parametrize("template", [GOOD, "{{ raise_exception('no') }}", "{{ ''.__class__.__mro__ }}", "{% if"])
def test_templates_that_end_are_taken_and_their_errors_told_where_they_are_used(tmp_path, template):
    (tmp_path / "chat_template.jinja").write_text(template)
    check_chat_templates(tmp_path)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ 'a' * 10**10 }}", "needs more than 1024 MiB"),
        ("{{ 'a' * 10**6 }}", "makes 1,000,000 characters"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "runs for more than 1 s on a short conversation",
        ),
    ],
)
def test_templates_without_bounds_are_refused(tmp_path, template, message):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": [{"template": template}]}))
    with pytest.raises(EvalsuiteError, match=rf"tokenizer_config.json: its chat template {message}"):
        check_chat_templates(tmp_path)


def test_a_folder_without_templates_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(chat_templates.subprocess, "run", lambda *_, **__: pytest.fail("started"))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    check_chat_templates(tmp_path)
