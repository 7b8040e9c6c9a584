"""`make schemas`: writes the JSON Schemas as the code has them. Avro schemas are written by hand: they never change."""

from app import resources
from app.events import json_schemas


def main() -> None:
    for name, text in json_schemas.documents().items():
        (resources.SCHEMAS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
