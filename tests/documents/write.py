"""`python -m tests.documents.write`: writes the parts of documents that are derived from the repository."""

from tests.documents import requirements


def main() -> None:
    text = requirements.DOCUMENT.read_text(encoding="utf-8")
    requirements.DOCUMENT.write_text(requirements.written(text), encoding="utf-8")


if __name__ == "__main__":
    main()
