"""What a building uses that it may not need: each rule in a file, `find.py` asks them all. Rules: docs/buildings.md."""
