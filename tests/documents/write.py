"""`python -m tests.documents.write`: writes the parts of documents that are derived from the repository."""

from tests.documents import asyncapi, codes, commands, metrics, operating, privacy, requirements, scenarios, topics_page


def main() -> None:
    for part in (requirements, privacy, operating, topics_page, codes, metrics):
        text = part.DOCUMENT.read_text(encoding="utf-8")
        part.DOCUMENT.write_text(part.written(text), encoding="utf-8")
    asyncapi.DOCUMENT.write_text(asyncapi.written(), encoding="utf-8")
    commands.DOCUMENT.write_text(commands.page(), encoding="utf-8")
    scenarios.write()


if __name__ == "__main__":
    main()
