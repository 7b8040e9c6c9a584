"""`python -m tests.documents.write`: writes the parts of documents that are derived from the repository."""

from tests.documents import asyncapi, privacy, requirements, topics_page


def main() -> None:
    text = requirements.DOCUMENT.read_text(encoding="utf-8")
    requirements.DOCUMENT.write_text(requirements.written(text), encoding="utf-8")
    text = privacy.DOCUMENT.read_text(encoding="utf-8")
    privacy.DOCUMENT.write_text(privacy.written(text), encoding="utf-8")
    asyncapi.DOCUMENT.write_text(asyncapi.written(), encoding="utf-8")
    text = topics_page.DOCUMENT.read_text(encoding="utf-8")
    topics_page.DOCUMENT.write_text(topics_page.written(text), encoding="utf-8")


if __name__ == "__main__":
    main()
