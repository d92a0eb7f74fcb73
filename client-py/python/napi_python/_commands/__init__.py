"""The commands of the command line, one module each; docs/commands.md describes them."""
