"""The subcommands of `netdsl`, one a file; each is imported only when it runs."""
