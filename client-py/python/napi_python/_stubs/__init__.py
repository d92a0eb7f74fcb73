"""Declarations of packages: finds and reads their `.d.ts`, and writes stubs for type checkers."""
