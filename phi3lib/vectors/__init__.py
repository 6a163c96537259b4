"""From pictures to vectors to insight: tables, pooling, comparison, maps, search."""
