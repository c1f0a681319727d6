"""Queue files in an editor: the language server that VS Code and others use for YAML, with the schema that we print."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tools import tool

from orchestrator.domain.queue_file.editor_schema import json_schema
from orchestrator.platforms.registry import KINDS

FIRST = "# yaml-language-server: $schema=queue-file.schema.json\n"


class Editor:
    """Speaks the Language Server Protocol with the server, one message after the other."""

    def __init__(self, process, folder):
        self.process, self.folder, self.number = process, folder, 0

    def ask(self, method, **params):
        """Send a request and return its result."""
        self.number += 1
        self._send({"id": self.number, "method": method, "params": params})
        answer = self._until(lambda message: message.get("id") == self.number and "method" not in message)
        assert "error" not in answer, answer
        return answer["result"]

    def notify(self, method, **params):
        """Send a notification."""
        self._send({"method": method, "params": params})

    def open(self, name, text):
        """Open a file; returns its address."""
        (self.folder / name).write_text(text)
        uri = (self.folder / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", textDocument=document)
        return uri

    def marked(self, uri):
        """What the server marks in a file: line, from 0, and message."""
        method = "textDocument/publishDiagnostics"
        found = self._until(lambda message: message.get("method") == method and message["params"]["uri"] == uri)
        return [(each["range"]["start"]["line"], each["message"]) for each in found["params"]["diagnostics"]]

    def completions(self, uri, line, character):
        """What it offers at a place: label → description."""
        place = {"line": line, "character": character}
        items = self.ask("textDocument/completion", textDocument={"uri": uri}, position=place)["items"]
        return {item["label"]: item.get("documentation") for item in items}

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _until(self, wanted):
        while not wanted(message := self._receive()):
            if "id" in message and "method" in message:  # a request of the server: it asks for settings
                sections = (message.get("params") or {}).get("items", [])
                self._send({"id": message["id"], "result": [{} for _ in sections]})
        return message

    def _receive(self):
        length = 0
        while (line := self.process.stdout.readline()) != b"\r\n":
            assert line, "the server has ended"
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self.process.stdout.read(length))


@contextmanager
def editor_in(folder):
    """An editor that has opened this folder, in which the schema is."""
    (folder / "queue-file.schema.json").write_text(json.dumps(json_schema(KINDS)))
    command = [tool("node"), tool("yaml-language-server"), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr) as process:
        editor = Editor(process, folder)
        try:
            item = {"snippetSupport": True, "documentationFormat": ["markdown"]}
            editor.ask(
                "initialize",
                processId=None,
                rootUri=folder.as_uri(),
                capabilities={"textDocument": {"completion": {"completionItem": item}}},
                workspaceFolders=[{"uri": folder.as_uri(), "name": "jobs"}],
            )
            editor.notify("initialized")
            yield editor
        finally:
            process.kill()


@pytest.fixture
def editor(tmp_path):
    """An editor with the schema."""
    with editor_in(tmp_path) as editor:
        yield editor


def job(**keys):
    """A queue file whose job has these lines; None leaves one out."""
    lines = {"name": "run-1", "kind": "ica.data_linking", "account": "ica"}
    lines |= {"project": "11111111-2222-3333-4444-555555555555", "items": "[{dataId: fil.0a1b}]"} | keys
    text = "".join(f"    {key}: {value}\n" for key, value in lines.items() if value is not None)
    return f"{FIRST}version: 1\njobs:\n  - {text.lstrip()}"


def test_a_file_without_mistakes_is_marked_nowhere(editor):
    """Also not for placeholders of a template."""
    assert editor.marked(editor.open("good.yaml", job())) == []
    table = job(items=None, template='{dataId: "${id}"}', table="ids.csv")
    assert editor.marked(editor.open("table.yaml", table)) == []


@pytest.mark.parametrize(
    ("keys", "line", "says"),
    [
        ({"projekt": "p"}, 8, "Property projekt is not allowed"),
        ({"kind": "ica.data_lnking"}, 4, "Value is not accepted. Valid values:"),
        ({"project": "cohort-7"}, 6, "The project is no UUID"),
        ({"items": "[{dataID: fil.0a1b}]"}, 7, 'Missing property "dataId"'),
        ({"items": "[{dataId: S1.fastq.gz}]"}, 7, "must be an id such as fil.0a1b"),
        ({"account": None}, 3, 'Missing property "account"'),
    ],
)
def test_a_wrong_field_is_marked_in_its_line(editor, keys, line, says):
    """With what is allowed there."""
    found = editor.marked(editor.open("wrong.yaml", job(**keys)))
    assert [each for each in found if each[0] == line and says in each[1]], found


def test_a_kind_is_completed_and_explained(editor):
    """Every kind is offered where one is written."""
    uri = editor.open("kind.yaml", job(kind=""))
    offered = editor.completions(uri, 4, len("    kind: "))
    assert offered.keys() >= KINDS.keys()
    assert [name for name, kind in KINDS.items() if kind.about and kind.about not in str(offered[name])] == []


def test_the_fields_of_an_item_are_completed(editor):
    """Those of the job's kind."""
    name, kind = next((name, kind) for name, kind in KINDS.items() if not kind.engines and not kind.options)
    text = job(kind=name, items="") + "      - \n"
    offered = editor.completions(editor.open("items.yaml", text), 8, 8)
    assert kind.fields <= offered.keys()


def test_a_whole_job_is_offered(editor):
    """The example of each kind, where a job begins."""
    offered = editor.completions(editor.open("jobs.yaml", f"{FIRST}version: 1\njobs:\n  - \n"), 3, 4)
    assert offered.keys() >= {name for name, kind in KINDS.items() if kind.example}
