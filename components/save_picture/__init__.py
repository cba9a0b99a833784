"""A small button that turns an SVG into a PNG, in the browser and without a server."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "bathyscope_save_picture",
    js=(_HERE / "save_picture.js").read_text(encoding="utf-8"),
    css=(_HERE / "save_picture.css").read_text(encoding="utf-8"),
)


def save_picture(svg: str, *, name: str, key: str, label: str = "PNG") -> None:
    """Draw the button.

    Args:
        svg: a standalone picture with its width and height in pixels.
        name: the file's name, without extension.
        key: names this button in the session.
        label: what stands on the button.
    """
    _mount(key=key, data={"svg": svg, "name": name, "label": label}, width="content")
