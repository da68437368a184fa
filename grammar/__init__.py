"""The concrete syntax of netdsl."""
