"""TensorBoard's event files, by its own writer. They lie beside the run folder; no server is needed.

TensorBoard keeps no files: the text that stands for the report names where it lies.
"""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

from evalsuite.wording import rate, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Json
    from evalsuite.track.figures import Table

FOLDER = "tensorboard"
"""Beside the run folder, so that `tensorboard --logdir reports/tensorboard` shows all runs."""


def begin(title: str, settings: Mapping[str, Json], folder: Path) -> EventFiles:
    """Begin event files in `tensorboard/NAME` beside the run folder of that name."""
    del title
    opened = EventFiles(folder.resolve().parent / FOLDER / folder.resolve().name, folder)
    opened.text("settings", f"```json\n{json.dumps(settings, ensure_ascii=False, indent=1)}\n```")
    return opened


class EventFiles:
    """One run of TensorBoard."""

    def __init__(self, place: Path, source: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._place = place
        self._source = source
        self._writer = EventFileWriter(str(place))

    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Write figures as scalars, of a whole run at step 0."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write([Summary.Value(tag=name, simple_value=value) for name, value in values.items()], step or 0)

    def table(self, name: str, table: Table) -> None:
        """Write a table as Markdown, and its images, each under its row's first cells."""
        head = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
        body = [" | ".join(_cell(value) for value in row) for row in table.rows]
        self.text(name, "\n".join([*head, *body]))
        for number, image in enumerate(table.images, 1):
            self._image(f"{name}/{number:02d} {' '.join(_cell(value) for value in table.rows[number - 1][:4])}", image)

    def artefact(self, name: str, files: Sequence[Path]) -> None:
        """Write where the files are made from, since TensorBoard keeps none."""
        del files
        self.text(name, f"`evalsuite report` writes it from `{self._source}`")

    def text(self, name: str, text: str) -> None:
        """Write a text in Markdown."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

        plugin = SummaryMetadata.PluginData(plugin_name="text", content=TextPluginData(version=0).SerializeToString())
        value = TensorProto(
            dtype="DT_STRING",
            string_val=[text.encode("utf-8", errors="replace")],
            tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        )
        self._write(
            [Summary.Value(tag=f"{name}/text_summary", metadata=SummaryMetadata(plugin_data=plugin), tensor=value)], 0
        )

    def close(self) -> str:
        """Write the file to its end."""
        self._writer.close()
        return str(self._place)

    def _image(self, tag: str, image: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        content = Summary.Image(
            height=image.height, width=image.width, colorspace=3, encoded_image_string=buffer.getvalue()
        )
        self._write([Summary.Value(tag=tag, image=content)], 0)

    def _write(self, values: Sequence[Any], step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))


def _cell(value: str | float | None) -> str:
    """A cell of a Markdown table: one line, no markup that could break out of it."""
    text = "" if value is None else rate(value) if isinstance(value, float) else str(value)
    return visible(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
