"""What is made from the catalogue: frozen schemas, the AsyncAPI document, docs/messages.md."""
