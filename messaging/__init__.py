"""The wire between edge and centre: topics, codec, connection (docs/wire.md)."""
